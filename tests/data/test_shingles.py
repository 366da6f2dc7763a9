import pytest

from embedder.data.shingles import jaccard, shingles


def test_white_space_and_unicode_form_do_not_count_but_case_and_signs_do():
    assert shingles("the ﬁrst\nred  car") == shingles("the first red car") == {"the first red", "first red car"}
    assert jaccard(shingles("2 + 3 = ?"), shingles("2 - 3 = ?")) == pytest.approx(1 / 5)  # of "3 = ?" and two each


def test_a_short_text_is_one_run_and_an_empty_one_is_near_nothing():
    assert shingles("Red car") == {"Red car"}
    assert shingles("\u00a0 ") == frozenset()
    assert jaccard(shingles(""), shingles("")) == 0.0
    assert jaccard(shingles("C compiler"), shingles("C++ compiler")) == 0.0


def test_letters_of_scripts_without_spaces_are_words():
    assert shingles("東京は日本") == {"東 京 は", "京 は 日", "は 日 本"}


def test_one_changed_word_by_hand():
    # a b c d e: abc bcd cde; a b c d x: abc bcd cdx. 2 shared of 4.
    assert jaccard(shingles("a b c d e"), shingles("a b c d x")) == pytest.approx(0.5)
