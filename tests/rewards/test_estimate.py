from dataclasses import replace

import pytest

from embedder.preparation.estimate import _limited
from embedder.rewards.estimate import duration, estimate
from embedder.rewards.label_counts import LabelCounts, count_requests
from embedder.rewards.probe import Probe, Timing, probe
from embedder.rewards.requests import LabelRequest
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.training.budget import Budget
from embedder.types import OutputScore


def request(prompt, *candidates, answers=(" x",), sample_prompts=()):
    return LabelRequest(prompt, tuple(candidates), tuple(answers), tuple(sample_prompts))


class SlowModel:
    """Takes known times on a clock of its own, a call and a character; an output, or 4 characters, are a token."""

    def __init__(self, call=0.0, scored=0.0, sampled=0.0, outputs=tuple("bcdefghijk")):
        self.now = 0.0
        self.costs = call, scored, sampled
        self.outputs = outputs
        self.asked = []
        self.tokens_run = 0

    fingerprint = "slow"

    def clock(self):
        return self.now

    def score(self, prompts, outputs):
        call, scored, _ = self.costs
        self.now += call + scored * sum(map(len, prompts))
        self.asked.append(("score", tuple(prompts)))
        self.tokens_run += sum(map(len, prompts)) // 4 + sum(map(len, outputs))
        return [[OutputScore(-1.0, max(1, len(text) // 4)) for text in some] for some in outputs]

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        raise NotImplementedError

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        call, _, sampled = self.costs
        self.now += call + sampled * sum(map(len, prompts))
        self.asked.append(("sample", tuple(prompts)))
        self.tokens_run += sum(map(len, prompts)) // 4 + n * len(prompts)
        return [list(self.outputs[:n]) for _ in prompts]


PROBE = Probe(
    timings=(Timing(10, 100, 2.0, 100, 1.0), Timing(10, 300, 4.0, 200, 2.0)),
    score_together=0.5,
    sample_together=1.0,
    rounds=1.5,
    score_tokens=0.5,
    sample_tokens=0.5,
    sample_bytes=84.0,
)
COUNTS = LabelCounts(
    queries=100,
    candidates=4.0,
    n_outputs=10,
    answers=2.0,
    prompt_characters=100.0,
    candidate_prompt_characters=225.0,
    sample_prompt_characters=150.0,
)


def test_counts_by_hand():
    counts = count_requests(
        [
            request("ab", "abc", "abcde", answers=(" x", " ", " y", " x", " z")),  # x, y, z are scored, two at most
            request("abcd", "abcdefg", sample_prompts=("abcdef", "ab")),
        ],
        n_outputs=10,
        max_answers=2,
    )
    # Candidates: 2 + 1 of 2 queries, 3 + 5 + 7 = 15 characters in 3. Sampled after: "ab", "abcdef", "ab", 10 / 3.
    assert counts == LabelCounts(2, 1.5, 10, 1.5, 3.0, 5.0, pytest.approx(10 / 3))
    assert counts.passes == 5  # 3 and 2
    choice = LabelRequest("abcd", (), (" x",), options=(" x", " y", " z"))
    mixed = count_requests([choice, request("ab")], n_outputs=10, max_answers=2)
    assert (mixed.n_outputs, mixed.sampled) == (6.0, 0.5)  # 2 wrong options and 10 samples; one query of two is sampled
    assert counts.score_characters == pytest.approx((2 + 3 + 5 + 4 + 7) / 5)


def test_estimate_by_hand():
    found = estimate(COUNTS, PROBE)
    # 100 queries x (4 candidates + none) with 10 + 2 outputs; mean length (100 + 4 x 225) / 5 = 200 characters.
    assert (found.passes, found.outputs, COUNTS.score_characters) == (500, 12.0, 200.0)
    # A prompt takes 0.2 s at 100 and 0.4 s at 300 characters: 0.3 s at 200. 500 x 0.3 s x 0.5.
    assert found.score_seconds == pytest.approx(75.0)
    # 1.5 rounds; 1 s at 100 and 2 s at 200 characters: 1.5 s at 150.
    assert found.sampled_prompts == 150
    assert found.sample_seconds == pytest.approx(225.0)
    assert found.seconds == pytest.approx(300.0)
    # Both lines go through both points, so there is no spread; without batches scoring takes 150 s.
    assert (found.seconds_low, found.seconds_high) == (pytest.approx(300.0), pytest.approx(375.0))
    # 500 x 200 / 2 and 150 x 150 / 2.
    assert (found.score_tokens, found.sample_tokens) == (50_000, 11_250)
    # 500 x 12 rows of 28 bytes, 150 rows of 16 + 84.
    assert found.megabytes == pytest.approx((168_000 + 15_000) / 1e6)


def test_the_range_is_the_spread_around_the_line():
    # Three prompts of like length take 1, 2 and 3 s: 2 s expected, between half and one and a half times that.
    timings = tuple(Timing(1, 100, seconds, 100, 0.001) for seconds in (1.0, 2.0, 3.0))
    found = estimate(COUNTS, Probe(timings, 1.0, 1.0, 1.0, 0.5, 0.5, 0.0))
    assert found.score_seconds == pytest.approx(1000.0)
    assert found.seconds_low == pytest.approx(500 + 0.1)
    assert found.seconds_high == pytest.approx(1500 + 0.1)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((3.0, 1.0), 2.0),  # falling: the mean, whatever the length
        ((1.0, 5.0), 1.0 * 2.0 * 1.6),  # the line would cross 0: through the origin, (1 x 1 + 3 x 5) / (1 + 9) = 1.6
    ],
)
def test_noise_makes_no_negative_times(seconds, expected):
    timings = tuple(Timing(1, 100 * length, taken, 1, 1e-9) for length, taken in zip((1, 3), seconds, strict=True))
    found = estimate(COUNTS, Probe(timings, 1.0, 1.0, 1.0, 0.5, 0.5, 0.0))
    assert found.score_seconds == pytest.approx(500 * expected)
    assert 0 < found.seconds_low <= found.seconds <= found.seconds_high


def test_a_linear_model_is_foretold_exactly():
    model = SlowModel(scored=0.01, sampled=0.5)
    requests = [request("p" * n, "p" * (2 * n), "p" * (3 * n)) for n in range(10, 210, 10)]
    found = probe(model, requests, OutputSettings(), 4, model.clock)
    # All characters of all prompts: 1 + 2 + 3 times 10 + 20 + ... + 200 = 2,100; sampled after 2,100.
    labelling = estimate(count_requests(requests, 10, 3), found)
    assert labelling.score_seconds == pytest.approx(0.01 * 6 * 2100)
    assert labelling.sample_seconds == pytest.approx(0.5 * 2100)
    assert labelling.seconds_high == pytest.approx(labelling.seconds_low)
    assert found.rounds == 1.0
    assert found.sample_bytes == 10 * (1 + 4)
    # A token for 4 characters of each prompt, and one for each of its 11 outputs or 10 samples.
    assert labelling.score_tokens == pytest.approx(6 * 2100 / 4 + 60 * 11, rel=0.1)
    assert labelling.sample_tokens == pytest.approx(2100 / 4 + 20 * 10, rel=0.1)


def test_what_batches_save_is_measured():
    # A call takes 1 s and nothing else: four requests alone 4 s, together 1 s.
    model = SlowModel(call=1.0)
    found = probe(model, [request("p" * n, "q" * n) for n in range(1, 5)], OutputSettings(), 4, model.clock)
    assert found.score_together == pytest.approx(0.25)
    assert found.sample_together == pytest.approx(0.25)


def test_without_competitors_nothing_is_foretold_for_sampling():
    model = SlowModel(scored=0.01, sampled=0.5)
    requests = [request("p" * n, "p" * (2 * n)) for n in (10, 20)]
    found = estimate(
        count_requests(requests, 0, 3), probe(model, requests, OutputSettings(n_outputs=0), clock=model.clock)
    )
    assert (found.sampled_prompts, found.sample_seconds, found.outputs) == (0, 0.0, 1.0)
    assert found.score_seconds == pytest.approx(0.01 * 3 * 30)
    assert "none needed" in found.render()


def test_an_llm_that_repeats_itself_needs_more_rounds():
    model = SlowModel(outputs=["same"] * 10)
    found = probe(model, [request("p", "pp")], OutputSettings(n_outputs=10), clock=model.clock)
    assert found.rounds == 4.0
    assert found.timings[0].prompts == 2


def test_the_spread_has_both_ends_and_depends_on_the_seed_alone():
    def lengths(seed, n):
        model = SlowModel()
        found = probe(model, requests, OutputSettings(seed=seed), n, model.clock)
        return [timing.sample_characters for timing in found.timings]

    requests = [request("p" * n) for n in range(100, 0, -1)]
    assert lengths(0, 6) == lengths(0, 6) == sorted(lengths(0, 6))
    assert lengths(0, 6)[::5] == lengths(1, 6)[::5] == lengths(0, 2) == [1, 100]
    assert lengths(0, 6) != lengths(1, 6)
    assert len(set(lengths(0, 6))) == 6
    assert lengths(0, 1) == [51]
    assert lengths(0, 200) == list(range(1, 101))


def test_a_warm_up_comes_first_and_is_not_timed():
    model = SlowModel(call=1.0)
    probe(model, [request("long" * 9), request("short")], OutputSettings(), clock=model.clock)
    assert model.asked[:2] == [("sample", ("short",)), ("score", ("short",))]
    assert model.asked[2] == ("sample", ("short", "long" * 9))


def test_competitors_are_sampled_after_what_labelling_samples_after():
    model = SlowModel()
    probe(
        model, [request("plain", "a", "b", sample_prompts=("a", "b"))], OutputSettings(n_outputs=4), clock=model.clock
    )
    sampled = [prompts for kind, prompts in model.asked if kind == "sample"]
    # Warm-up; two competitors after each; the first alone, timed.
    assert sampled == [("a",), ("a",), ("b",), ("a",)]


def test_durations_read_well():
    seconds = (0.04, 42, 99, 100, 5000, 5400, 86400, 172_800, 1_000_000)
    assert [duration(some) for some in seconds] == [
        "0.04 s",
        "42 s",
        "99 s",
        "1.7 min",
        "83 min",
        "1.5 h",
        "24 h",
        "2 days",
        "12 days",
    ]


def test_a_server_that_tells_no_tokens_is_not_said_to_run_none():
    found = estimate(COUNTS, replace(PROBE, score_tokens=0.0, sample_tokens=0.0))
    assert found.render().splitlines()[1:4] == [
        "  sample         150 prompts x 10.0 outputs        ? tokens   3.8 min  (0.67 prompts/s)",
        "  score          500 prompts x 12.0 outputs        ? tokens      75 s  (6.7 prompts/s)",
        "  tokens not told by the server",
    ]
    assert "never reached, since the server does not tell" in _limited(found, Budget(tokens=1000))
    both = _limited(found, Budget(tokens=1000, minutes=2.5))  # of 5 minutes
    assert "never reached" in both
    assert both.endswith("its minutes end after about 50 of these queries")
    told = _limited(estimate(COUNTS, PROBE), Budget(tokens=30_625))  # of 61,250
    assert told == "\n  budget its tokens end after about 50 of these queries"


def test_the_text():
    found = estimate(COUNTS, PROBE)
    assert found.render().splitlines() == [
        "To label 100 queries with 4.0 candidates each",
        "  sample         150 prompts x 10.0 outputs   11,200 tokens   3.8 min  (0.67 prompts/s)",
        "  score          500 prompts x 12.0 outputs   50,000 tokens      75 s  (667 tokens/s)",
        "  time   5 min, 5 min to 6.2 min (from 2 timed queries)",
        "  disk   0.18 MB",
    ]
