from embedder.data.prompts import QuestionPrompt
from embedder.types import Query

POOL = [Query("1", "One?", ("uno",)), Query("2", "Two?", ("due", "deux")), Query("3", "Three?")]


def test_prompt_by_hand():
    prompt = QuestionPrompt(n_examples=1).with_examples(POOL)
    assert prompt.render("Who?", ["A passage.", "Another."]) == (
        "Q: One?\nA: uno\n\nKnowledge:\nA passage.\nAnother.\n\nQ: Who?\nA:"
    )
    assert prompt.output("me ") == " me"


def test_a_question_is_never_its_own_example():
    assert QuestionPrompt(n_examples=1).with_examples(POOL).render("One?") == "Q: Two?\nA: due\n\nQ: One?\nA:"


def test_long_passages_are_cut():
    assert QuestionPrompt(n_examples=0, max_key_words=2).render("Q", ["a b c"]) == "Knowledge:\na b\n\nQ: Q\nA:"
