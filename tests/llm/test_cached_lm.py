import shutil

import pytest

from embedder.errors import DataError
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.types import LanguageModel

PROMPTS = ["Q: Who designed the lighthouse?\nA:", "Q: What is the capital?\nA:", "Q: Who designed the lighthouse?\nA:"]
OUTPUTS = [[" Maren", " 1783"], [" Harrowgate"], [" 1783", " Oru"]]


class Counting:
    """A real model that counts what it is asked for."""

    def __init__(self, model):
        self.model, self.asked, self.answered = model, [], []

    fingerprint = property(lambda self: self.model.fingerprint)
    tokens_run = property(lambda self: self.model.tokens_run)

    def score(self, prompts, outputs):
        self.asked += [(p, o) for p, some in zip(prompts, outputs, strict=True) for o in some]
        return self.model.score(prompts, outputs)

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        self.asked += prompts
        return self.model.generate(prompts, max_new_tokens, stop)

    def fits(self, prompts, max_new_tokens):
        return self.model.fits(prompts, max_new_tokens)

    def answer(self, prompts, outputs, max_new_tokens):
        self.answered += prompts
        return self.model.answer(prompts, outputs, max_new_tokens)

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        self.asked += zip(prompts, seeds, strict=True)
        return self.model.sample(prompts, n, max_new_tokens, temperature, seeds)


@pytest.fixture
def model(llama_directory):
    return Counting(HuggingFaceLanguageModel(str(llama_directory), device="cpu"))


def test_nothing_is_asked_twice_and_the_answers_are_those_of_the_llm(model, tmp_path):
    expected_scores = model.model.score(PROMPTS, OUTPUTS)
    expected_texts = {stop: model.model.generate(PROMPTS, 8, stop) for stop in (("\n",), ("e", "\n"))}
    expected_samples = model.model.sample(PROMPTS, 3, 6, 1.0, [1, 2, 1])
    for _ in range(2):
        cached = CachedLanguageModel(model, tmp_path)  # as in another run
        assert isinstance(cached, LanguageModel)
        for ours, theirs in zip(cached.score(PROMPTS, OUTPUTS), expected_scores, strict=True):
            assert [s.sum_logprob for s in ours] == pytest.approx([s.sum_logprob for s in theirs], abs=1e-4)
        for stop, texts in expected_texts.items():
            assert cached.generate(PROMPTS, 8, stop) == texts
        assert cached.sample(PROMPTS, 3, 6, 1.0, [1, 2, 1]) == expected_samples
        # 4 outputs after 2 prompts, 2 prompts with each of 2 stops, 2 prompts sampled.
        assert len(model.asked) == len(set(model.asked)) + 2 == 10
    cached.generate(PROMPTS[:1], 9)
    cached.sample(PROMPTS[:1], 3, 6, 1.0, [2])
    assert len(model.asked) == 12  # another length, another seed


def test_of_new_prompts_text_and_scores_are_asked_for_at_once(model, tmp_path):
    expected = model.model.generate(PROMPTS, 8), model.model.score(PROMPTS, OUTPUTS)
    cached = CachedLanguageModel(model, tmp_path)
    for _ in range(2):
        texts, scores = cached.answer(PROMPTS, OUTPUTS, 8)
        assert texts == expected[0]
        for ours, theirs in zip(scores, expected[1], strict=True):
            assert [s.sum_logprob for s in ours] == pytest.approx([s.sum_logprob for s in theirs], abs=1e-4)
        assert sorted(model.answered) == sorted({*PROMPTS})
        assert model.asked == []
    assert cached.generate(PROMPTS, 8) == texts
    assert cached.answer(PROMPTS[:1], [[" new"]], 8)[0] == texts[:1]
    assert model.asked == [(PROMPTS[0], " new")]  # its text is known


def test_what_was_done_before_a_failure_is_kept(model, tmp_path, monkeypatch):
    prompts = [f"Q: {i}?\nA:" for i in range(20)]
    original = model.model.generate

    def failing(some, *rest):
        if prompts[8] in some:
            raise KeyboardInterrupt
        return original(some, *rest)

    monkeypatch.setattr(model.model, "generate", failing)
    with pytest.raises(KeyboardInterrupt):
        CachedLanguageModel(model, tmp_path).generate(prompts, 4)
    monkeypatch.undo()
    model.asked.clear()
    assert CachedLanguageModel(model, tmp_path).generate(prompts, 4) == original(prompts, 4)
    assert model.asked == prompts[8:]  # the first wave has 8


def test_parts_of_a_whole_call_are_saved_and_a_killed_one_goes_on_with_the_same_numbers(model, tmp_path, monkeypatch):
    monkeypatch.setattr("embedder.llm.cached_lm._AT_ONCE", 8)
    prompts, outputs = [f"Q: {'why ' * i}?\nA:" for i in range(20)], [[" 1783", " Oru Maren"]] * 20
    with (whole := CachedLanguageModel(model, tmp_path / "whole")).whole_calls():
        expected = whole.score(prompts, outputs)
        texts = whole.generate(prompts, 4)
    original = model.model.score

    def copying(some, own):
        if prompts[13] in some:  # the third part: what a kill leaves now
            shutil.copytree(tmp_path / "run", tmp_path / "killed")
        return original(some, own)

    monkeypatch.setattr(model.model, "score", copying)
    with (run := CachedLanguageModel(model, tmp_path / "run", save_seconds=0.0)).whole_calls():
        assert run.score(prompts, outputs) == expected
        assert run.generate(prompts, 4) == texts
    model.asked.clear()
    monkeypatch.undo()
    monkeypatch.setattr("embedder.llm.cached_lm._AT_ONCE", 8)
    with (again := CachedLanguageModel(model, tmp_path / "killed")).whole_calls():
        assert again.score(prompts, outputs) == expected
    assert [prompt for prompt, _ in model.asked[::2]] == prompts[13:]


def test_a_shipped_directory_may_have_some_of_the_stores(llama_directory, tmp_path):
    model = HuggingFaceLanguageModel(str(llama_directory))
    first = CachedLanguageModel(model, tmp_path / "shipped")
    scores = first.score(PROMPTS[:1], OUTPUTS[:1])
    assert not (tmp_path / "shipped" / "texts").exists()
    counting = Counting(model)
    second = CachedLanguageModel(counting, tmp_path / "own", [tmp_path / "shipped"])
    second.refresh()
    assert second.score(PROMPTS[:1], OUTPUTS[:1]) == scores
    assert not counting.asked
    assert second.describe()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: is no store"):
        CachedLanguageModel(model, tmp_path / "own", [tmp_path / "empty"])
