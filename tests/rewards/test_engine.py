import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from embedder.errors import ConfigError, DataError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.score_store import ScoreStore
from embedder.rewards.engine import RewardEngine
from embedder.rewards.requests import LabelRequest
from embedder.rewards.reward import LikelihoodReward, RankReward
from embedder.rewards.sampled_outputs import OutputSettings
from embedder.rewards.tables import rewards_of


class CountingModel:
    """Passes everything on to a real model, and notes what was asked."""

    def __init__(self, model):
        self.model = model
        self.scored = []
        self.sampled = []

    @property
    def fingerprint(self):
        return self.model.fingerprint

    @property
    def tokens_run(self):
        return self.model.tokens_run

    def score(self, prompts, outputs):
        self.scored += [(prompt, output) for prompt, some in zip(prompts, outputs, strict=True) for output in some]
        return self.model.score(prompts, outputs)

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        return self.model.generate(prompts, max_new_tokens, stop)

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        self.sampled += prompts
        return self.model.sample(prompts, n, max_new_tokens, temperature, seeds)


@pytest.fixture
def model(llama_directory):
    return CountingModel(HuggingFaceLanguageModel(str(llama_directory), device="cpu"))


def engine(model, directory, save_seconds=10.0, **settings):
    cached = CachedLanguageModel(model, directory, save_seconds=save_seconds)
    return RewardEngine(cached, OutputSettings(**{"n_outputs": 4, "max_new_tokens": 5, **settings}))


def make_requests(n):
    return [
        LabelRequest(
            prompt=f"Q: number {k}? A:",
            candidate_prompts=tuple(
                f"Knowledge:\n{text}\n\nQ: number {k}? A:" for text in ("Oru", f"It is {k}.", "1783")
            ),
            answers=(f" {k}", f" number {k}"),
        )
        for k in range(n)
    ]


def test_rewards_are_those_of_scores_made_one_by_one(model, tmp_path):
    requests = make_requests(3)
    labelled = engine(model, tmp_path)
    labelled.label(requests)
    competitors = labelled._stored_outputs(requests)
    for request, outputs, rewards, gains in zip(
        requests,
        competitors,
        rewards_of(labelled.tables(requests), RankReward()),
        rewards_of(labelled.tables(requests), LikelihoodReward("sum")),
        strict=True,
    ):
        assert len(set(outputs.competitors)) == 4
        places, likelihoods = [], []
        for prompt in (request.prompt, *request.candidate_prompts):

            def scores(texts, prompt=prompt):
                return [model.model.score([prompt], [[text]])[0][0] for text in texts]

            answers, others = scores(outputs.answers), scores(outputs.competitors)
            best = max(score.mean_logprob for score in answers)
            places.append(1 + sum(score.mean_logprob > best for score in others))
            likelihoods.append(max(score.sum_logprob for score in answers))
        assert rewards == tuple(places[0] - other for other in places[1:])
        assert gains == pytest.approx([other - likelihoods[0] for other in likelihoods[1:]], abs=1e-4)


def test_nothing_is_asked_twice_and_fewer_outputs_ask_nothing(model, tmp_path):
    requests = make_requests(4)
    engine(model, tmp_path).label(requests)
    assert len(model.scored) == len(set(model.scored)) == 4 * 4 * (2 + 4)
    model.scored.clear()
    model.sampled.clear()
    engine(model, tmp_path).label(requests)
    engine(model, tmp_path, n_outputs=2, max_answers=1).label(requests)
    assert model.scored == model.sampled == []
    engine(model, tmp_path).label([LabelRequest(requests[0].prompt, ("A new candidate. A:",), requests[0].answers)])
    assert {prompt for prompt, _ in model.scored} == {"A new candidate. A:"}
    assert model.sampled == []


def test_labels_do_not_depend_on_who_is_labelled_together(model, tmp_path):
    requests = make_requests(5)
    engine(model, tmp_path / "together").label(requests)
    for request in reversed(requests):
        engine(model, tmp_path / "alone").label([request])
    together = rewards_of(engine(model, tmp_path / "together").tables(requests), LikelihoodReward())
    alone = rewards_of(engine(model, tmp_path / "alone").tables(requests), LikelihoodReward())
    for some, others in zip(together, alone, strict=True):
        assert some == pytest.approx(others, abs=1e-4)


def test_rewards_of_what_was_never_labelled_are_refused(model, tmp_path):
    requests = make_requests(2)
    with pytest.raises(DataError, match="label these requests first"):
        rewards_of(engine(model, tmp_path).tables(requests), RankReward())
    engine(model, tmp_path).label(requests[:1])
    with pytest.raises(DataError, match="label these requests first"):
        rewards_of(engine(model, tmp_path).tables(requests), RankReward())
    more = LabelRequest(requests[0].prompt, ("never seen A:",), requests[0].answers)
    with pytest.raises(DataError, match="never seen A:"):
        rewards_of(engine(model, tmp_path).tables([more]), RankReward())


def test_verify_finds_a_store_that_does_not_fit_the_llm(model, tmp_path):
    requests = make_requests(2)
    engine(model, tmp_path).label(requests)
    assert engine(model, tmp_path).verify(requests, n=5, tolerance=1e-4) <= 1e-4
    true_score = model.model.score

    class Drifted(CountingModel):
        def score(self, prompts, outputs):
            scored = true_score(prompts, outputs)
            return [[type(s)(s.sum_logprob - 0.5, s.n_tokens) for s in some] for some in scored]

    with pytest.raises(DataError, match=r"off by 0\.5"):
        engine(Drifted(model.model), tmp_path).verify(requests, n=5, tolerance=1e-2)


def test_wrong_settings_and_queries_without_answers_are_refused(model, tmp_path):
    with pytest.raises(ConfigError, match=r"llm_outputs\.n_outputs"):
        engine(model, tmp_path, n_outputs=-1)
    with pytest.raises(ConfigError, match=r"llm_outputs\.temperature"):
        engine(model, tmp_path, temperature=0.0)
    with pytest.raises(ValueError, match="without an answer"):
        LabelRequest("Q: A:", (), (" ",))


def test_without_competitors_only_answers_are_scored_and_options_still_compete(model, tmp_path, caplog):
    plain, choice = make_requests(2)
    choice = replace(choice, options=(" 1", " 2", " 3"))  # 1 is the answer
    alone = engine(model, tmp_path, n_outputs=0)
    alone.label([plain, choice])
    assert model.sampled == []
    assert [table.sums.shape for table in alone.tables([plain, choice])] == [(4, 2), (4, 4)]
    many = engine(model, tmp_path / "many")
    many.label([plain])
    assert rewards_of(alone.tables([plain]), LikelihoodReward()) == [
        pytest.approx(rewards_of(many.tables([plain]), LikelihoodReward())[0])
    ]
    assert "no competitor" not in caplog.text


def test_sampled_outputs_are_parted_from_the_prompt_as_the_request_says(model, tmp_path):
    spaced, bare = make_requests(1)[0], replace(make_requests(1)[0], lead="")
    labelled = engine(model, tmp_path)
    labelled.label([spaced, bare])
    (first, second) = labelled._stored_outputs([spaced, bare])
    assert first.competitors == tuple(f" {output}" for output in second.competitors)


LABEL = """
import sys
from pathlib import Path
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from tests.rewards.test_engine import engine, make_requests
from tests.signalled import signal_after

signal_after("embedder.llm.score_store:ScoreStore.flush", 3, 9)
model = HuggingFaceLanguageModel(sys.argv[1], device="cpu")
engine(model, Path(sys.argv[2]), save_seconds=0.0).label(make_requests(300))
"""


def test_a_killed_labelling_continues_where_it_stopped(model, llama_directory, tmp_path):
    requests = make_requests(300)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    killed = subprocess.run(
        [sys.executable, "-c", LABEL, str(llama_directory), str(tmp_path)], env=environment, check=False
    )
    assert killed.returncode == -signal.SIGKILL

    kept = len(ScoreStore(tmp_path / "scores"))
    assert kept > 0
    continued = engine(model, tmp_path)
    continued.label(requests)
    assert model.sampled == []  # all sampling was done, and saved, before the scoring began
    assert 0 < len(model.scored) == len(ScoreStore(tmp_path / "scores")) - kept
    engine(model, tmp_path / "fresh").label(requests)
    resumed = rewards_of(continued.tables(requests), LikelihoodReward())
    for some, others in zip(
        resumed, rewards_of(engine(model, tmp_path / "fresh").tables(requests), LikelihoodReward()), strict=True
    ):
        assert some == pytest.approx(others, abs=1e-4)


def test_the_wrong_options_of_a_choice_are_its_competitors_and_nothing_is_sampled(model, tmp_path):
    choice = LabelRequest(
        "Q: red or blue? A:", ("It is red. A:",), (" red",), options=(" red", " blue", " green", " Red")
    )
    labelled = engine(model, tmp_path)
    labelled.label([choice, *make_requests(1)])
    assert {output for prompt, output in model.scored if prompt == choice.prompt} == {" red", " blue", " green", " Red"}
    assert choice.prompt not in model.sampled
    table, other = labelled.tables([choice, *make_requests(1)])
    assert table.sums.shape == (2, 4)
    assert other.sums.shape == (4, 6)
