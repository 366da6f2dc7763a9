from dataclasses import replace

import pytest

from embedder.errors import ConfigError
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.rewards.early_stop import EarlyStop, EarlyStopReport
from embedder.rewards.requests import LabelRequest
from embedder.rewards.reward import LikelihoodReward
from embedder.rewards.tables import rewards_of
from tests.rewards.test_engine import CountingModel, engine


@pytest.fixture
def model(llama_directory):
    return CountingModel(HuggingFaceLanguageModel(str(llama_directory), device="cpu"))


def test_settled_by_hand():
    stop = EarlyStop(wave=2, patience=1)
    assert not stop.is_settled([1.0, 0.0], always=1)  # nothing before the wave but the part of one
    assert stop.is_settled([1.0, 0.0, 0.5], always=1)  # the label is best, and the wave brought nothing better
    assert stop.is_settled([1.0, 0.0, 1.0], always=1)  # equal is not better
    assert not stop.is_settled([1.0, 0.0, 1.5], always=1)
    patient = EarlyStop(wave=1, patience=2)
    assert not patient.is_settled([1.0, 0.0], always=1)
    assert patient.is_settled([0.0, 1.0, 0.5, 0.5], always=1)
    assert not patient.is_settled([0.0, 0.0, 1.0, 0.5], always=1)


def test_reports_add_up():
    total = EarlyStopReport(10, 4, 2, 1, 0.5) + EarlyStopReport(10, 6, 1, 0, 0.2)
    assert (total.candidates, total.judged, total.audited, total.changed) == (20, 10, 3, 1)
    assert total.mean_loss == pytest.approx((2 * 0.5 + 0.2) / 3)
    assert total.saved == 0.5
    assert EarlyStopReport().saved == 0.0


def some_requests(n, candidates):
    words = ["Oru", "1783", "lighthouse", "designed", "Who", "at", "the", "and", "it", "is"]
    return [
        LabelRequest(
            prompt=f"Q: number {k}? A:",
            candidate_prompts=tuple(
                f"{words[(k + 3 * c) % len(words)]} {c} Q: number {k}? A:" for c in range(candidates)
            ),
            answers=(f" {k}",),
        )
        for k in range(n)
    ]


def test_early_rewards_are_the_first_of_all_rewards_and_skipped_candidates_are_never_scored(model, tmp_path):
    requests = some_requests(6, 9)
    full = engine(model, tmp_path / "full")
    full.label(requests)
    complete = rewards_of(full.tables(requests), LikelihoodReward())
    model.scored.clear()
    stop = EarlyStop(wave=2, patience=1, audit=0)
    rewards, report = stop.label(engine(model, tmp_path / "early"), LikelihoodReward(), requests, [1] * 6)
    scored = {prompt for prompt, _ in model.scored}
    for request, early, whole in zip(requests, rewards, complete, strict=True):
        assert early == pytest.approx(whole[: len(early)], abs=1e-4)
        assert len(early) >= 3
        assert scored.isdisjoint(request.candidate_prompts[len(early) :])
        if len(early) < len(whole):
            assert stop.is_settled(early, 1)
    assert report.candidates == 54
    assert report.judged == sum(map(len, rewards)) < 54
    assert report.audited == 0


def test_the_audit_tells_what_stopping_changed(model, tmp_path):
    requests = some_requests(6, 9)
    stop = EarlyStop(wave=2, patience=1, audit=1.0)
    labelled = engine(model, tmp_path)
    rewards, report = stop.label(labelled, LikelihoodReward(), requests, [1] * 6)
    complete = rewards_of(labelled.tables(requests), LikelihoodReward())  # the audit has judged them all
    stopped = [(max(early), max(whole)) for early, whole in zip(rewards, complete, strict=True) if len(early) < 9]
    assert report.audited == len(stopped) > 0
    assert report.changed == sum(best > found for found, best in stopped)
    assert report.mean_loss == pytest.approx(sum(best - found for found, best in stopped) / len(stopped), abs=1e-4)


def test_all_labelled_candidates_are_judged(model, tmp_path):
    rewards, report = EarlyStop(wave=1, audit=0).label(
        engine(model, tmp_path), LikelihoodReward(), some_requests(1, 3), [3]
    )
    assert len(rewards[0]) == 3
    assert report.saved == 0.0
    none = [replace(some_requests(1, 1)[0], candidate_prompts=())]
    assert EarlyStop().label(engine(model, tmp_path), LikelihoodReward(), none, [0])[0] == [()]


@pytest.mark.parametrize("setting", ["wave", "patience"])
def test_settings_are_checked(setting):
    with pytest.raises(ConfigError, match=setting):
        EarlyStop(**{setting: 0})
