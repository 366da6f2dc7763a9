import pytest

from embedder.data.examples import Examples, FewShotExample, choose_examples, few_shot_examples
from embedder.data.prompts import ChatPrompt, ContinuationPrompt, ExamplePrompt, QuestionPrompt, with_examples
from embedder.errors import ConfigError
from embedder.types import Key, Query

POOL = [FewShotExample("One?", "uno", ("It is uno.",)), FewShotExample("Two?", "due", ("Due, it is.", "Not tre."))]


class _Corpus(dict[str, int]):
    def position(self, key_id: str) -> int:
        return self[key_id]

    def __getitem__(self, key):
        return Key(key, f"text of {key}") if isinstance(key, int) else super().__getitem__(key)


def test_prompt_by_hand():
    prompt = with_examples(QuestionPrompt(Examples(n=1)), POOL)
    assert prompt.render("Who?", ["A passage.", "Another."]) == (
        "Knowledge:\nIt is uno.\n\nQ: One?\nA: uno\n\nKnowledge:\nA passage.\nAnother.\n\nQ: Who?\nA:"
    )
    assert prompt.output("me ") == " me"


def test_without_passages_the_examples_come_without():
    prompt = with_examples(QuestionPrompt(Examples(n=2)), POOL)
    assert prompt.render("Who?") == "Q: One?\nA: uno\n\nQ: Two?\nA: due\n\nQ: Who?\nA:"


def test_a_question_is_never_its_own_example():
    assert with_examples(QuestionPrompt(Examples(n=1)), POOL).render("One?") == "Q: Two?\nA: due\n\nQ: One?\nA:"


def test_long_passages_are_cut_also_where_words_have_no_spaces():
    assert (
        QuestionPrompt(Examples(n=0), max_key_words=1).render("Q", ["x" * 50]) == f"Knowledge:\n{'x' * 10}\n\nQ: Q\nA:"
    )
    assert QuestionPrompt(Examples(n=0), max_key_words=2).render("Q", ["a b c"]) == "Knowledge:\na b\n\nQ: Q\nA:"


def test_examples_have_answers_and_prefer_gold_passages():
    queries = [
        Query("bare", "Bare?", ("b",)),
        Query("gold", "Gold?", ("g", "h"), ("k",)),
        Query("open", "Open?"),
    ]
    assert choose_examples(queries, 3) == choose_examples(queries[::-1], 3) == [queries[1], queries[0]]
    many = [Query(f"q{i}", f"{i}?", ("a",)) for i in range(20)]
    assert choose_examples(many, 5, seed=1) not in (choose_examples(many, 5), choose_examples(many, 5, seed=2))
    prompt = with_examples(QuestionPrompt(Examples(n=1)), few_shot_examples(choose_examples(queries, 2), _Corpus(k=7)))
    assert prompt.examples.pool == (FewShotExample("Gold?", "g", ("text of 7",)), FewShotExample("Bare?", "b"))


def test_chat_by_hand():
    prompt = with_examples(ChatPrompt(Examples(n=1)), POOL)
    turns = "[1 May]\nAnn: I moved.\nBob: Where?"
    assert prompt.render("Who moved?", [turns, "[2 May]\nAnn: Hi."]) == (
        "It is uno.\n\nSpeaker 1: One?\nSpeaker 2: uno\n\n"
        "[1 May]\nAnn: I moved.\nBob: Where?\n\n[2 May]\nAnn: Hi.\n\nSpeaker 1: Who moved?\nSpeaker 2:"
    )
    assert prompt.render("One?") == "Speaker 1: Two?\nSpeaker 2: due\n\nSpeaker 1: One?\nSpeaker 2:"
    assert prompt.output("Ann ") == " Ann"
    assert (
        ChatPrompt(Examples(n=0), max_key_words=3).render("?", [turns]) == "[1 May]\nAnn:\n\nSpeaker 1: ?\nSpeaker 2:"
    )


def test_a_continued_text_reads_as_it_was_written():
    prompt = ContinuationPrompt()
    text = prompt.render("He rose.", ["One.\n\nTwo.", "Three."]) + prompt.output("\n\nShe  stayed. \n")
    assert text == "One.\n\nTwo.\n\nThree.\n\nHe rose.\n\nShe  stayed."
    assert prompt.render("He rose.") == "He rose."
    assert prompt.output("and left") == " and left"
    assert ContinuationPrompt(max_key_words=2).render("q", ["a  b c"]) == "a  b\n\nq"


def test_examples_are_shown_as_they_are_and_the_output_has_a_line_of_its_own():
    prompt = ExamplePrompt()
    assert prompt.render("3 + 3\nWhat is it?", ["2 + 2\n4", "1 + 1\n2"]) + prompt.output(" 6 ") == (
        "2 + 2\n4\n\n1 + 1\n2\n\n3 + 3\nWhat is it?\n6"
    )
    assert prompt.render("3 + 3") == "3 + 3\n"
    assert ExamplePrompt(max_key_words=2).render("q", ["a long input\nYes"]) == "input\nYes\n\nq\n"  # the output stays


@pytest.mark.parametrize("kind", [QuestionPrompt, ChatPrompt, ContinuationPrompt, ExamplePrompt])
def test_settings_are_checked(kind):
    with pytest.raises(ConfigError, match=r"prompt.max_key_words: expected 1 or more, got 0"):
        kind(max_key_words=0)
    filled = with_examples(kind(), POOL).examples
    assert filled is None or len(filled.pool) == len(POOL)
