import pytest

from embedder.report.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\0b", "a\u2400b"),
        ("user\u202etxt.exe", "user\u27e8U+202E\u27e9txt.exe"),
        ("half \ud800", "half \N{REPLACEMENT CHARACTER}"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f, \u0633\u0644", "\u05e9\u05dc\u05d5\u05dd\u200f, \u0633\u0644"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        ("bell\a and\x7f", "bell\u2407 and\u2421"),
    ],
)
def test_what_is_hidden_is_shown(text, shown):
    assert visible(text) == shown
    visible(text).encode()


def test_long_texts_are_cut_and_say_so():
    assert visible("x" * 5_000, 10) == "x" * 10 + " \u2026 (4,990 more characters)"
