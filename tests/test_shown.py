import logging

import pytest

from embedder import shown as module
from embedder.entry.plain_log import ShownFilter
from embedder.errors import ConfigError, DataError, EmbedderError, ProtocolError
from embedder.shown import hide, holds_hidden, holds_secret, shown, shown_lines, shown_message

FLOOD = "x" * 300_000
HOSTILE = "\x1b[31mred\x1b[0m \u202etxt.exe\u202c \x9b31m bell\a null\0 half\ud800 line\u2028break"


@pytest.fixture
def secrets(monkeypatch):
    monkeypatch.setattr(module, "_secrets", set())


def is_plain(text):
    return not any((ord(c) < 0x20 and c not in "\t\n") or c in "\x7f\x9b\u202e\u202c\u2028\ud800" for c in text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a\0b", "a\u2400b"),
        ("user\u202etxt.exe", "user\u27e8U+202E\u27e9txt.exe"),
        ("half \ud800", "half \N{REPLACEMENT CHARACTER}"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f, \u0633\u0644", "\u05e9\u05dc\u05d5\u05dd\u200f, \u0633\u0644"),
        ("bell\a and\x7f", "bell\u2407 and\u2421"),
        ("hidden \U000e0041", "hidden \u27e8U+E0041\u27e9"),
    ],
)
def test_what_is_hidden_is_shown(text, right):
    assert shown(text) == shown_lines(text) == shown_message(text) == right
    right.encode()


def test_line_breaks_stay_where_lines_are_shown():
    text = "two\r\nlines\tand a tab"
    assert shown_lines(text) == "two\nlines\tand a tab"
    assert shown(text) == "two\u240d\u240alines\u2409and a tab"


def test_long_texts_are_cut_and_say_so():
    assert shown("x" * 5_000, 10) == shown_lines("x" * 5_000, 10) == "x" * 10 + "\u2026 (4,990 more characters)"
    told = shown_message(f"{FLOOD}: set llm.url", 100)
    assert told.endswith(": set llm.url")
    assert told.startswith("x" * 75 + "\u2026 (299,913 characters left out) \u2026")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("at http://me:pa-ss@host:80/v1", "at http://***@host:80/v1"),
        ("http://x.org/a@b and me@x.org", "http://x.org/a@b and me@x.org"),
        ("got 'sk-abcd1234efgh5678'", "got '***'"),
        ("task-specific, sk-learn, whisk-2000000000", "task-specific, sk-learn, whisk-2000000000"),
        ("sk-wiki-2018/sk-wikipedia-passages-large", "sk-wiki-2018/sk-wikipedia-passages-large"),  # of Slovakia
        ("Authorization: Bearer abcdefghij1234567890", "Authorization: Bearer ***"),
        ("the bearer represents everybody", "the bearer represents everybody"),
        ("http://h/v1?api_key=abc&n=1", "http://h/v1?api_key=***&n=1"),
        ("hf_" + "aB3" * 10, "***"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, right):
    assert shown(text) == right
    assert holds_secret(text) == (right != text)


def test_a_secret_that_was_named_is_masked_however_it_is_written(secrets):
    hide('my/own "key"')
    for written in ('my/own "key"', "my%2Fown%20%22key%22", 'my/own \\"key\\"', 'my\\/own \\"key\\"'):
        assert shown(f"<{written}>") == "<***>"
    hide("EMPTY")  # a placeholder, and part of many words
    assert shown("EMPTY") == "EMPTY"


def test_a_placeholder_that_is_a_word_does_not_make_texts_suspicious(secrets):
    for key in ("password", "lm-studio", "0a1b2c3d"):
        hide(key)
    assert not holds_hidden("The password of lm-studio")
    assert holds_hidden("It is 0a1b2c3d.")


def test_a_secret_at_the_cut_does_not_show_its_first_half(secrets):
    hide("correct-horse-battery")
    assert shown("12345 correct-horse-battery", 10) == "12345 ***"
    told = shown_message("1" * 60 + " correct-horse-battery " + "2" * 900 + " correct-horse-battery " + "3" * 10, 100)
    assert not any(part in told for part in ("horse", "cor", "tery"))


@pytest.mark.parametrize("unit", ["eyJ-", "sk-", "://", "bearer ", "&key=", "a@"])
def test_hostile_repetitions_are_read_in_linear_time(unit):
    assert len(shown_message(unit * 500_000)) < 2200  # hangs where it is not


@pytest.mark.parametrize(
    "error",
    [
        EmbedderError(f"{HOSTILE} {FLOOD}"),
        ConfigError(HOSTILE, "text", FLOOD),
        ConfigError("a.b", "text", HOSTILE),
        ConfigError("a.b", "text", [HOSTILE, FLOOD]),
        DataError(f"dir/{HOSTILE}\nother.jsonl", 3, f"an unknown field {HOSTILE}\n{FLOOD}"),
        ProtocolError(HOSTILE, [(HOSTILE, FLOOD, HOSTILE)], "compare others"),
    ],
)
def test_errors_are_fit_to_be_shown_whatever_they_quote(error):
    assert is_plain(str(error))
    assert len(str(error)) < 3000
    if not isinstance(error, ProtocolError):
        assert "\n" not in str(error)


def test_a_record_whose_arguments_do_not_fit_is_shown_all_the_same():
    record = logging.LogRecord("a.library", logging.INFO, "f", 1, "used to be", (FutureWarning,), None)
    assert ShownFilter().filter(record)
    assert record.getMessage() == f"used to be ({FutureWarning!r},)"


def test_what_is_logged_is_fit_to_be_shown_and_cannot_pose_as_another_record():
    def logged(*what, **more):
        record = logging.LogRecord("n", logging.INFO, "f", 1, *what, **more)
        assert ShownFilter().filter(record)
        return logging.Formatter("[%(name)s] %(message)s").format(record)

    assert is_plain(logged("%s: %s", (HOSTILE, FLOOD), None))
    assert len(logged("%s: %s", (HOSTILE, FLOOD), None)) < 4200
    assert logged("\n%s", ("| a |\n| b |",), None) == "[n] \n| a |\n| b |"
    assert (
        logged("%s", ("name\n[2026-01-01][INFO] - all is well",), None) == "[n] name\n [2026-01-01][INFO] - all is well"
    )
    assert is_plain(logged("failed", (), (ValueError, ValueError(HOSTILE), None)))
