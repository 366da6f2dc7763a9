import unicodedata
from random import Random

import pytest

from embedder.texts import normal_form, question_form, question_hash, text_hash


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("as it is", "as it is"),
        (" two  blanks\tand a\nbreak ", "two blanks and a break"),
        ("ﬁne A\u030a\u00a0x\u2028y", "fine Å x y"),
        ("\uff21\uff22\uff11", "AB1"),
        ("Case Stays", "Case Stays"),
        ("", ""),
    ],
)
def test_normal_form(text, form):
    assert normal_form(text) == form


def test_the_short_cut_for_texts_in_normal_form_changes_nothing():
    # The definition itself, on texts of blanks, controls, marks, ligatures, wide letters and other scripts.
    random, letters = Random(0), [*"ab \t\n\x1c", *"\u00a0\u3000\u2028\u0308\u030aﬁÅé①\uff21か漢ก"]
    for _ in range(3000):
        text = "".join(random.choices(letters, k=random.randrange(8)))
        assert normal_form(text) == " ".join(unicodedata.normalize("NFKC", text).split())


def test_questions_are_one_whatever_their_case_and_keys_are_not():
    assert question_form("Who WAS  it? Straße") == question_form("who was it? STRASSE")
    assert question_hash("Who?") == question_hash(" who?")
    assert text_hash("Who?") != text_hash("who?")
    assert text_hash("a b") == text_hash("a\u00a0 b")
    assert -(2**63) <= text_hash("a") < 2**63
