"""Prompts that depend on more of a query than its text."""

import pytest

from embedder.data.examples import Examples, FewShotExample
from embedder.data.prompts import ExamplePrompt, QuestionPrompt, for_query, with_examples
from embedder.errors import ConfigError
from embedder.types import Query

POOL = [FewShotExample(f"q{n}", f"a{n}", type=("capital", "sport", "author")[n % 3]) for n in range(12)]


def test_no_example_of_the_relation_that_is_asked_for():
    prompt = with_examples(QuestionPrompt(Examples(n=3, other_types=True)), POOL)
    query = Query("x", "What is the capital of Tonga?", groups=(("type", "capital"),))
    assert prompt.examples.pool_size == 12
    assert for_query(prompt, query).render(query.text) == (
        "Q: q1\nA: a1\n\nQ: q2\nA: a2\n\nQ: q4\nA: a4\n\nQ: What is the capital of Tonga?\nA:"
    )
    assert for_query(prompt, Query("y", "?")).render("?").startswith("Q: q0\n")  # of no type: all are others


def test_too_few_examples_of_other_relations_are_an_error():
    prompt = with_examples(QuestionPrompt(Examples(n=2, other_types=True)), POOL[:1] * 4)
    with pytest.raises(ConfigError, match="2 few-shot examples of other types than 'capital', got 0"):
        for_query(prompt, Query("x", "?", groups=(("type", "capital"),)))


def test_without_the_setting_a_prompt_is_the_same_for_every_query():
    query = Query("x", "?", groups=(("type", "capital"),))
    for prompt in (with_examples(QuestionPrompt(), POOL), ExamplePrompt()):
        assert for_query(prompt, query) == prompt
