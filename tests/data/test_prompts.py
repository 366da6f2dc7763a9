from embedder.data.examples import choose_examples, with_examples
from embedder.data.prompts import QuestionPrompt, SolvedQuestion
from embedder.types import Key, Query

POOL = [SolvedQuestion("One?", "uno", ("It is uno.",)), SolvedQuestion("Two?", "due", ("Due, it is.", "Not tre."))]


class _Corpus(dict[str, int]):
    def position(self, key_id: str) -> int:
        return self[key_id]

    def __getitem__(self, key):
        return Key(key, f"text of {key}") if isinstance(key, int) else super().__getitem__(key)


def test_prompt_by_hand():
    prompt = QuestionPrompt(n_examples=1).with_examples(POOL)
    assert prompt.render("Who?", ["A passage.", "Another."]) == (
        "Knowledge:\nIt is uno.\n\nQ: One?\nA: uno\n\nKnowledge:\nA passage.\nAnother.\n\nQ: Who?\nA:"
    )
    assert prompt.output("me ") == " me"


def test_without_passages_the_examples_come_without():
    prompt = QuestionPrompt(n_examples=2).with_examples(POOL)
    assert prompt.render("Who?") == "Q: One?\nA: uno\n\nQ: Two?\nA: due\n\nQ: Who?\nA:"


def test_a_question_is_never_its_own_example():
    assert QuestionPrompt(n_examples=1).with_examples(POOL).render("One?") == "Q: Two?\nA: due\n\nQ: One?\nA:"


def test_long_passages_are_cut_also_where_words_have_no_spaces():
    assert (
        QuestionPrompt(n_examples=0, max_key_words=1).render("Q", ["x" * 50]) == f"Knowledge:\n{'x' * 10}\n\nQ: Q\nA:"
    )
    assert QuestionPrompt(n_examples=0, max_key_words=2).render("Q", ["a b c"]) == "Knowledge:\na b\n\nQ: Q\nA:"


def test_examples_have_answers_and_prefer_gold_passages():
    queries = [
        Query("bare", "Bare?", ("b",)),
        Query("gold", "Gold?", ("g", "h"), ("k",)),
        Query("open", "Open?"),
    ]
    assert choose_examples(queries, 3) == choose_examples(queries[::-1], 3) == [queries[1], queries[0]]
    prompt = with_examples(QuestionPrompt(n_examples=1), choose_examples(queries, 2), _Corpus(k=7))
    assert prompt.examples == (SolvedQuestion("Gold?", "g", ("text of 7",)), SolvedQuestion("Bare?", "b"))
