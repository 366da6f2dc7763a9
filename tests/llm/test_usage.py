"""Tokens that the LLM ran are counted once, whatever the store has."""

import pytest

from embedder.llm.cached_lm import CachedLanguageModel
from embedder.llm.metered import MeteredLanguageModel
from embedder.llm.usage import Price, Tokens, Usage
from embedder.types import OutputScore


class Letters:
    """An LLM of one token a character, which writes `ab` and says so."""

    fingerprint = "letters"

    def __init__(self):
        self.tokens_run = 0

    def score(self, prompts, outputs):
        # As a server does it: every output is sent with its whole prompt.
        self.tokens_run += sum(len(prompt) + len(o) for prompt, own in zip(prompts, outputs, strict=True) for o in own)
        return [[OutputScore(-1.0, 1) for _ in own] for own in outputs]

    def generate(self, prompts, max_new_tokens, stop=("\n",)):
        self.tokens_run += sum(len(prompt) + 2 for prompt in prompts)
        return ["ab"] * len(prompts)

    def answer(self, prompts, outputs, max_new_tokens):
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(self, prompts, n, max_new_tokens, temperature, seeds):
        self.tokens_run += sum(len(prompt) + 2 * n for prompt in prompts)
        return [["ab"] * n for _ in prompts]


def opened(directory):
    metered = MeteredLanguageModel(Letters())
    return metered, CachedLanguageModel(metered, directory)


def everything(language_model):
    language_model.generate(["a" * 10], 4)
    language_model.sample(["b" * 20], 3, 4, 1.0, [0])
    language_model.score(["c" * 30], [["x" * 5, "y" * 5]])


def test_what_was_asked_is_counted_and_what_the_store_has_is_not(tmp_path):
    metered, first = opened(tmp_path)
    everything(first)
    # Written: 2 greedily and 6 sampled. Read: 10 + 20 + two outputs of 5, each with its prompt of 30.
    assert metered.usage.asked == Tokens(read=100, written=8)
    everything(first)  # the store has all of it, but this run has paid for it
    assert metered.usage.asked == Tokens(read=100, written=8)
    assert metered.tokens_run == 108

    metered, second = opened(tmp_path)
    everything(second)
    assert metered.usage.asked == Tokens()
    second.score(["d" * 30], [["x" * 5, "y" * 5]])
    assert metered.usage.asked == Tokens(read=70, written=0)


def test_an_answer_and_its_scores_are_counted_once(tmp_path):
    metered, first = opened(tmp_path)
    first.answer(["a" * 10], [["b" * 5]], 4)
    assert metered.usage.asked.read + metered.usage.asked.written == pytest.approx(27)  # 10 + 2, then 10 + 5
    metered, second = opened(tmp_path)
    second.answer(["a" * 10], [["b" * 5]], 4)
    assert metered.usage.asked == Tokens()


class Chatting(Letters):
    """As a chat server: it reads a prompt once, and writes 5 letters to score what comes after it."""

    writes_only = True
    top_logprobs = 20
    written_to_score = 5

    def score(self, prompts, outputs):
        self.tokens_run += sum(len(prompt) + 20 for prompt, own in zip(prompts, outputs, strict=True) if own)
        return [[OutputScore(-1.0, 1) for _ in own] for own in outputs]


def test_what_is_written_to_score_is_counted_as_written(tmp_path):
    metered = MeteredLanguageModel(Chatting())
    first = CachedLanguageModel(metered, tmp_path)
    first.score(["a" * 60, "b" * 60], [["c" * 20], []])
    # 80 tokens of 60 + 20 characters read, and 5 x 4 written: 0.8 a character. Nothing is asked without an output.
    assert metered.usage.asked == Tokens(read=64, written=16)
    metered = MeteredLanguageModel(Letters())
    CachedLanguageModel(metered, tmp_path / "other").score(["a" * 60], [["c" * 20]])
    assert metered.usage.asked == Tokens(read=80, written=0)


def test_the_price_of_tokens():
    assert Price().of(1e6, 1e6) is None
    assert Price(input=0.0).of(1e6, 1e6) == 0.0
    assert Price(input=3.0, output=15.0).of(2e6, 1e5) == pytest.approx(7.5)
    usage = Usage()
    usage.asked_for("write", tokens=300, read=100, written=50)  # 2 tokens a character
    assert usage.asked == Tokens(200, 100)
