"""Rewards from what an LLM writes, with an LLM that is a table of answers."""

from dataclasses import replace

import numpy as np
import pytest

from embedder.consumers.consumer import Outcome
from embedder.consumers.paired import against_alone, measured
from embedder.errors import ConfigError, DataError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.preparation.reward_settings import Rewards
from embedder.rewards.asking import Ask, converse
from embedder.rewards.correct import CorrectReward
from embedder.rewards.early_stop import EarlyStop
from embedder.rewards.label_counts import count_requests
from embedder.rewards.listwise import ListwiseReward, permutation
from embedder.rewards.requests import LabelRequest
from embedder.rewards.reward import MixReward, RankReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import rewards_of
from embedder.rewards.written_engine import WrittenEngine, write
from embedder.rewards.written_estimate import estimate_written
from embedder.types import Ranking


class Writer:
    """Answers by a function of the prompt, and of the number of the sample; counts what it is asked."""

    writes_only = True
    fingerprint = "writer"
    tokens_run = 0

    def __init__(self, answer):
        self._answer, self.asked = answer, []

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        self.asked += prompts
        return [self._answer(prompt, None) for prompt in prompts]

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        self.asked += prompts
        return [[self._answer(prompt, seed + k) for k in range(n)] for prompt, seed in zip(prompts, seeds, strict=True)]


def request(candidates=("Oru", "Ann", "no idea"), answers=(" Maren Oru",)):
    return LabelRequest(
        prompt="Q: who? A:",
        candidate_prompts=tuple(f"Knowledge:\n{text}\n\nQ: who? A:" for text in candidates),
        answers=answers,
        question="who?",
        candidates=tuple(candidates),
    )


def by_candidate(prompt, seed):
    """Right with the first candidate, half right with the second, wrong otherwise."""
    return {"Oru": "Maren Oru", "Ann": "Oru"}.get(prompt.partition("\n")[2].partition("\n")[0], "a crab")


def engine(model, directory, reward):
    return WrittenEngine(CachedLanguageModel(model, directory), reward)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("em", (1, 0, 0)), ("f1", (1, 2 / 3, 0)), ("contains", (1, 0, 0))],  # f1: "Oru" of "Maren Oru": 2 * 1 / (1 + 2)
)
def test_correct_answers_by_hand(tmp_path, metric, expected):
    reward = CorrectReward(metric)
    labelled = engine(Writer(by_candidate), tmp_path, reward)
    labelled.label([request()])
    assert rewards_of(labelled.tables([request()]), reward) == [pytest.approx(expected)]


def test_a_candidate_that_misleads_earns_less_than_nothing(tmp_path):
    reward = CorrectReward()
    labelled = engine(Writer(lambda prompt, seed: "Oru" if "lie" in prompt else "Maren Oru"), tmp_path, reward)
    labelled.label([request(("lie", "x"))])
    assert rewards_of(labelled.tables([request(("lie", "x"))]), reward) == [(-1.0, 0.0)]


def test_several_samples_are_averaged(tmp_path):
    reward = CorrectReward(n_samples=4, temperature=1.0, seed=7)  # seeds 7 to 10, right for 8 and 10
    model = Writer(lambda prompt, seed: "Maren Oru" if "Oru" in prompt and seed % 2 == 0 else "x")
    labelled = engine(model, tmp_path, reward)
    labelled.label([request()])
    assert rewards_of(labelled.tables([request()]), reward) == [(0.5, 0.0, 0.0)]


def test_another_metric_asks_nothing_and_a_killed_run_resumes(tmp_path):
    model = Writer(by_candidate)
    engine(model, tmp_path, CorrectReward()).label([request()])
    assert len(model.asked) == 4
    again = engine(model, tmp_path, CorrectReward("f1"))
    assert again.count_left([request()]) == [0]
    again.label([request()])
    assert len(model.asked) == 4
    more = request(("Oru", "Ann", "no idea", "new"))
    assert again.count_left([more]) == [5]
    again.label([more])
    assert len(model.asked) == 5


def test_what_was_never_labelled_is_an_error(tmp_path):
    with pytest.raises(DataError, match="not in the store"):
        engine(Writer(by_candidate), tmp_path, CorrectReward()).tables([request()])


def test_the_judge_is_asked_only_about_answers_that_are_neither_exact_nor_empty(tmp_path):
    def answer(prompt, seed):
        if "Given answer" in prompt:
            return "Yes." if "Given answer: Oru" in prompt else "no"
        return "" if "no idea" in prompt else by_candidate(prompt, seed)

    model, reward = Writer(answer), CorrectReward("judged")
    labelled = engine(model, tmp_path, reward)
    labelled.label([request()])
    assert rewards_of(labelled.tables([request()]), reward) == [(1.0, 1.0, 0.0)]
    assert sum("Given answer" in prompt for prompt in model.asked) == 2  # "Oru" and "a crab"


def test_a_judge_that_mumbles_is_asked_again_and_counted(tmp_path, caplog):
    def answer(prompt, seed):
        if "Given answer: Oru" in prompt:
            return "yes" if seed == 2 else "hm"  # at the third attempt
        return "yesterday" if "Given answer" in prompt else by_candidate(prompt, seed)

    reward = CorrectReward("judged")
    labelled = engine(Writer(answer), tmp_path, reward)
    labelled.label([request()])
    assert rewards_of(labelled.tables([request()]), reward) == [(1.0, 1.0, 0.0)]
    labelled.warn_about([request()])
    assert "1 judgments of 1 queries came in another form" in caplog.text


def order_of(prompt, best):
    """The reply of an LLM that prefers the candidates in the order of `best`."""
    lines = [line for line in prompt.split("\n") if line.startswith("[")]
    numbers = {line.partition("] ")[2]: line.partition("] ")[0][1:] for line in lines}
    return " > ".join(f"[{numbers[text]}]" for text in best if text in numbers)


def test_ranks_by_hand_whatever_the_order_shown(tmp_path):
    for seed in range(4):
        reward = ListwiseReward(passes=2, seed=seed)
        labelled = engine(Writer(lambda p, s: order_of(p, ("Ann", "no idea", "Oru"))), tmp_path / str(seed), reward)
        labelled.label([request()])
        assert rewards_of(labelled.tables([request()]), reward) == [(0.0, 1.0, 0.5)]


def test_windows_bring_the_best_to_the_front(tmp_path):
    candidates = tuple(f"text {k}" for k in range(9))
    model, reward = Writer(lambda p, s: order_of(p, candidates)), ListwiseReward(window=4, seed=1)
    labelled = engine(model, tmp_path, reward)
    labelled.label([request(candidates)])
    (earned,) = rewards_of(labelled.tables([request(candidates)]), reward)
    # Windows of 4 that overlap by 2, from the end: [5:9], [3:7], [1:5], [0:3]; the two best reach the front.
    assert len(model.asked) == 4
    assert np.argsort(earned)[::-1][:2].tolist() == [0, 1]


def test_the_answer_is_shown_to_the_one_who_puts_in_order_unless_switched_off(tmp_path):
    for shown in (True, False):
        model, reward = Writer(lambda p, s: order_of(p, ("Oru", "Ann", "no idea"))), ListwiseReward(show_answer=shown)
        engine(model, tmp_path / str(shown), reward).label([request()])
        assert ("Right answer: Maren Oru" in model.asked[0]) is shown


def test_a_reply_that_is_no_permutation_is_asked_for_in_another_order_and_counted(tmp_path, caplog):
    model, reward = Writer(lambda prompt, seed: "[1] > [1] > [2]"), ListwiseReward()
    labelled = engine(model, tmp_path, reward)
    labelled.label([request()])
    assert len(set(model.asked)) > 1  # the attempts differ
    assert rewards_of(labelled.tables([request()]), reward) == [(0.0, 0.0, 0.0)]
    labelled.warn_about([request()])
    assert "1 judgments of 1 queries" in caplog.text


@pytest.mark.parametrize(
    "reply", ["", "1 2 3", "[1] > [2]", "[1] > [2] > [4]", "[0] > [1] > [2]", "best: [1] > [2] > [3]"]
)
def test_what_is_no_permutation(reply):
    assert permutation(reply, 3) is None


@pytest.mark.parametrize("reply", ["[3] > [1] > [2]", "3 > 1 > 2.", "3,1,2", " [3]>[1]>[2] "])
def test_what_is_a_permutation(reply):
    assert permutation(reply, 3) == [2, 0, 1]


def test_one_candidate_or_none_is_in_no_order(tmp_path):
    model, reward = Writer(by_candidate), ListwiseReward()
    labelled = engine(model, tmp_path, reward)
    requests = [request(("Oru",)), request(())]
    labelled.label(requests)
    assert not model.asked
    assert rewards_of(labelled.tables(requests), reward) == [(0.0,), ()]


def test_early_stop_asks_for_fewer(tmp_path):
    candidates = ("Oru", *(f"text {k}" for k in range(7)))
    model, reward = Writer(by_candidate), CorrectReward()
    stop = EarlyStop(wave=2, patience=1, audit=0.0)
    rewards, report = stop.label(engine(model, tmp_path, reward), reward, [request(candidates)], [0])
    assert rewards == [(1.0, 0.0, 0.0, 0.0)]
    assert report.judged == 4
    assert len(model.asked) == 5


def test_the_price_is_that_of_what_is_asked():
    model, reward = Writer(by_candidate), CorrectReward("judged")
    requests = [request(), request(("Oru", "Ann")), request(("Ann",))]
    ticks = iter(range(100))  # each query takes a second
    counts = replace(count_requests(requests, 0, 3), queries=30)
    priced = estimate_written(model, reward, requests, counts, 3, lambda: next(ticks))
    # Answers without and with each candidate: 4 + 3 + 2. Judged: "a crab" and "Oru" of each query, 3 times, in vain.
    assert priced.sampled_prompts == 30 / 3 * (9 + 18)
    assert (priced.seconds, priced.seconds_low, priced.seconds_high) == (30.0, 30, 30)
    assert "270 prompts x  1.0 outputs" in priced.render()


def test_settings_that_cannot_work():
    with pytest.raises(ConfigError, match=r"reward\.temperature"):
        CorrectReward(n_samples=3)
    with pytest.raises(ConfigError, match=r"reward\.window"):
        ListwiseReward(window=1)


def test_talks_run_side_by_side_and_end_on_their_own():
    def talk(rounds):
        heard = []
        for k in range(rounds):
            ((text,),) = yield [Ask(f"{rounds}/{k}", 3)]
            heard.append(text)
        return heard

    waves, shouting = [], Writer(lambda prompt, seed: prompt.upper() + "!")

    def reply(asks):
        waves.append([ask.prompt for ask in asks])
        return write(asks, shouting.generate, shouting.sample)

    assert converse([talk(2), talk(0), talk(1)], reply) == [["2/0!", "2/1!"], [], ["1/0!"]]
    assert waves == [["2/0", "1/0"], ["2/1"]]


def test_a_reward_that_the_llm_cannot_give_is_one_error(tmp_path):
    def settings(reward, model=None, **more):
        return Rewards(model or Writer(by_candidate), reward, str(tmp_path), **more)

    for works in (CorrectReward(), ListwiseReward()):
        settings(works).check_fit()
    with pytest.raises(ConfigError, match=r"reward: expected correct, f1, contains, judged or listwise"):
        settings(RankReward()).check_fit()
    with pytest.raises(ConfigError, match=r"early_stop: expected null"):
        settings(ListwiseReward(), early_stop=EarlyStop()).check_fit()
    with pytest.raises(ConfigError, match=r"verify: expected 0"):
        settings(CorrectReward(), verify=3).check_fit()
    with pytest.raises(ConfigError, match=r"reward\.rewards: expected rewards from log-likelihoods"):
        MixReward({"f1": CorrectReward("f1")}, {"f1": 1.0})


def test_identity_names_reward_and_prompts_but_not_how_competitors_are_sampled(tmp_path):
    def protocol(reward, **outputs):
        return Rewards(Writer(by_candidate), reward, str(tmp_path), outputs=OutputSettings(**outputs)).protocol()

    assert protocol(CorrectReward(), n_outputs=3) == protocol(CorrectReward(), n_outputs=5)
    assert protocol(CorrectReward()) != protocol(CorrectReward("f1"))
    assert protocol(ListwiseReward())["texts"]


def test_evaluation_without_log_likelihoods_has_the_other_scores():
    outcome = Outcome(Ranking((), ()), "Q", (" Oru",), "Oru", {"em": 1.0}, None)
    assert measured([outcome], [()], Writer(by_candidate)) == [{"em": 1.0}]
    assert against_alone({"em": 1.0}, {"em": 0.0}) == {"harm": 0.0, "mended": 1.0}
