"""Whoever asks too much of the LLM is told which query of which line it was."""

import json
import re

import pytest

from embedder.errors import DataError, PromptTooLongError
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.preparation.long_prompts import query_named
from embedder.types import Query
from tests.tiny_models import tiny_llama, tiny_tokenizer


def test_the_query_at_the_end_of_a_prompt_that_is_too_long_is_named(tmp_path):
    tiny_llama(tmp_path / "llama", max_tokens=64)
    tiny_tokenizer(tmp_path / "llama")
    language_model = HuggingFaceLanguageModel(str(tmp_path / "llama"), device="cpu")
    texts = ["who?", "who built it?", "where?"]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"query_id": f"q{n}", "query": text}) + "\n" for n, text in enumerate(texts)))
    queries = [Query(f"q{n}", text) for n, text in enumerate(texts)]

    def ask(shown, question):
        with query_named(path, queries):
            return language_model.generate([f"Q: {shown}\nA: x\n\nQ: {question}\nA:"], 4)

    assert len(ask("where?", "who?")) == 1
    message = f"{path}:2: the query 'q1': a prompt with its output takes "
    with pytest.raises(DataError, match=rf"{re.escape(message)}\d+ tokens, and .* reads at most 64"):
        ask("where? " * 60, "who built it?")  # "where?" comes before it, and "who?" is a part of no question's end
    with pytest.raises(PromptTooLongError, match="reads at most 64"):
        ask("of others " * 60, "why?")
