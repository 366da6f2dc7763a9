import json
from pathlib import Path

import pytest

from embedder.metrics.text import contains, exact_match, f1, has_answer, normalise_answer, popqa_accuracy

KNOWN = json.loads((Path(__file__).parents[1] / "assets" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Eiffel\tTower!", "eiffel tower"),
        ("a theatre, an anthem", "theatre anthem"),  # articles are whole words
        ("the-end", "theend"),  # punctuation goes first and may glue words together
        ("", ""),
    ],
)
def test_normalise_answer(text, expected):
    assert normalise_answer(text) == expected


@pytest.mark.parametrize("case", KNOWN["qa"], ids=lambda case: case["prediction"])
def test_exact_match_and_f1_of_the_released_code(case):
    assert exact_match(case["prediction"], case["answers"]) is bool(case["em"])
    assert f1(case["prediction"], case["answers"]) == pytest.approx(case["f1"])


def test_f1_by_hand():
    # 4 predicted words, 3 gold words, in common "new" once and "york" once: 2 * 2 / (4 + 3).
    assert f1("new new york state", ["New York City"]) == pytest.approx(4 / 7)
    # The second answer shares 2 of 2 words: 2 * 2 / (4 + 2) is more.
    assert f1("new new york state", ["New York City", "york state"]) == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("It was the Eiffel-Tower.", ["eiffeltower"], True),  # punctuation goes on both sides
        ("in The Paris of the north", ["Paris, of north"], True),  # and articles
        ("Parisian", ["Paris"], True),  # parts of words count
        ("London", ["Paris", "Lond"], True),
        ("London", ["Paris"], False),
        ("London", ["the", "!"], False),  # nothing is left of them
    ],
)
def test_contains_by_hand(prediction, answers, expected):
    assert contains(prediction, answers) is expected


@pytest.mark.parametrize("case", KNOWN["popqa_accuracy"], ids=lambda case: case["generation"])
def test_popqa_accuracy_of_the_released_code(case):
    assert popqa_accuracy(case["generation"], case["answers"]) is case["correct"]


@pytest.mark.parametrize("case", KNOWN["has_answer"], ids=lambda case: f"{case['answers'][0]} in {case['text']}")
def test_has_answer_of_the_released_code(case):
    assert has_answer(case["text"], case["answers"]) is case["expected"]


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("signed the U.S. treaty", "U.S.", True),  # every punctuation mark is a token of its own
        ("signed the US treaty", "U.S.", False),
        ("in 1994-95", "1994", True),
        ("snake_case", "case", True),  # an underscore is no letter
        ("anything", "", False),
        ("a b a c", "a c", True),
        ("\u0e01\u0e33 x", "\u0e01\u0e33", True),  # combining marks belong to their word
    ],
)
def test_has_answer_compares_whole_tokens(text, answer, expected):
    assert has_answer(text, [answer]) is expected


@pytest.mark.parametrize("metric", [exact_match, f1, popqa_accuracy, has_answer])
@pytest.mark.parametrize("answers", ["Paris", []])
def test_a_lone_string_or_no_answer_is_refused(metric, answers):
    with pytest.raises(ValueError, match="non-empty list of strings"):
        metric("Paris", answers)


def test_measures_of_scripts_without_spaces_count_letters():
    # "灯塔" of the 3 letters of "新灯塔": 2 * 2 / (3 + 2). As a single word nothing would be in common.
    assert f1("新灯塔", ["灯塔"]) == pytest.approx(4 / 5)
    # Of "建于1700年" (4 words: 建, 于, 1700, 年) and "1700年" (2): 2 * 2 / (4 + 2).
    assert f1("建于1700年", ["1700年"]) == pytest.approx(4 / 6)
    assert f1("ที่นี่", ["ที่"]) == pytest.approx(2 / 3)  # a letter of Thai comes with its marks: 1 of 2
    assert exact_match("「東京」。", ["東京"])


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("东海市的灯塔建于1700年、由渔民建造。", "1700年", True),
        ("东海市的灯塔建于1700年、由渔民建造。", "灯塔", True),
        ("东海市的灯塔建于1700年、由渔民建造。", "700年", False),  # digits stay together
        ("東京タワーは1958年に", "タワー", True),
        ("ประภาคารสร้างในปี 1700", "ประภาคาร", True),
        ("ガラス", "カラス", False),  # a letter is one with its marks
        ("ประภาคาร", "ประภาคาน", False),
    ],
)
def test_has_answer_where_words_have_no_spaces(text, answer, found):
    assert has_answer(text, [answer]) is found
