"""Which questions are dropped, each for the first reason that holds."""

import pytest

from embedder.data.prompts import first_words
from embedder.questions.checks import COPIED, ELSEWHERE, GIVEN_AWAY, LENGTH, LONG_ANSWER, OF_EXAMPLE, POINTS, fault
from embedder.questions.draft import EXAMPLES, parsed, render
from embedder.questions.near import DistinctQuestions

PASSAGE = (
    "The lighthouse at Oru was designed by the engineer Maren Tolvik and finished in 1783, after the ship Halcyon had "
    "sunk off the coast. It is 41 metres high and was lit with whale oil until 1871."
)


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Who designed the lighthouse at Oru?", "Maren Tolvik", None),
        ("How tall is the lighthouse at Oru?", "41 metres", None),
        ("When?", "1783", LENGTH),
        (f"Is it {'very ' * 30}high at Oru?", "41 metres", LENGTH),
        ("What is said of the lighthouse?", "designed by the engineer Maren Tolvik and finished in 1783", LONG_ANSWER),
        ("Who designed the lighthouse at Oru?", "Ada Tolvik", ELSEWHERE),
        ("Who designed the lighthouse at Oru?", "ren Tolv", ELSEWHERE),  # a part of words
        ("Did Maren Tolvik design the lighthouse?", "maren tolvik", GIVEN_AWAY),
        ("The lighthouse at Oru was designed by the engineer Maren Tolvik and finished when?", "1783", COPIED),
        ("Who is the engineer mentioned in the passage?", "Maren Tolvik", POINTS),
        ("According to the text, who designed the lighthouse?", "Maren Tolvik", POINTS),
        ("What does the author say sank near Oru?", "the ship Halcyon", POINTS),
        ("Until when was it lit with oil?", "1871", POINTS),
        ("What was their ship called near Oru?", "Halcyon", POINTS),
        ("Which ship sank off the coast of Oru before its lighthouse was built?", "Halcyon", None),  # `its` is Oru's
        ("How high is the tower of the Quill server?", "41 metres", OF_EXAMPLE),  # Oru is in the passage
    ],
)  # fmt: skip
def test_a_question_is_dropped_for_its_first_fault(question, answer, expected):
    assert fault(question, answer, PASSAGE) == expected


def test_the_examples_that_the_llm_sees_are_such_as_are_kept():
    for example in EXAMPLES:
        assert fault(example.question, example.answer, example.keys[0]) is None
        assert parsed(f" {example.question} Answer: {example.answer}") == (example.question, example.answer)


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (" Who designed it? Answer: Maren Tolvik", ("Who designed it?", "Maren Tolvik")),
        ("Question: Who  designed it? Answer:  'Maren Tolvik'.", ("Who designed it?", "Maren Tolvik")),
        ("設計者は誰ですか\uff1f Answer: 東京の人。", ("設計者は誰ですか\uff1f", "東京の人")),  # its own mark
        ("Who designed it? Answer:", None),
        ("Who designed it? Maren Tolvik", None),
        ("Who designed it? When? Answer: 1783", None),
        ("Maren Tolvik designed it. Answer: yes", None),
        ("? Answer: yes", None),
        ("", None),
    ],
)
def test_a_draft_is_read_strictly(draft, expected):
    assert parsed(draft) == expected


def test_the_prompt_ends_where_the_question_begins():
    text = render(first_words("One\ntwo   three four", 3))
    assert text.endswith("Passage: One two three\nQuestion:")
    assert text.count("Question:") == len(EXAMPLES) + 1


def test_nearly_the_same_questions_count_once():
    # 8 of 9 words in common is 0.89, 7 of 9 is 0.78
    words = ["who", "built", "the", "old", "stone", "mill", "at", "tam"]
    kept = DistinctQuestions()
    assert kept.add(" ".join(words))
    assert not kept.add(" ".join([*words, "then"]))
    assert kept.add(" ".join([*words[:-1], "oru"]))
    assert not kept.add("WHO built the old stone mill, at Tam?")
