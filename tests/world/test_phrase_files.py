"""The files of phrases are held against the form that the code expects; what is wrong is named with file and key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from embedder.errors import DataError
from embedder.world.phrase_files import read_phrases


@dataclass(frozen=True)
class Greeting:
    said: Annotated[str, "name day"]
    reply: str = ""
    window: tuple[int, int] | None = None


@dataclass(frozen=True)
class Greetings:
    by_kind: dict[str, Greeting]
    words: tuple[str, ...] = ()


def read(tmp_path: Path, text: str) -> Greetings:
    (tmp_path / "greetings.yaml").write_text(text)
    return read_phrases(Greetings, "greetings", tmp_path)


def test_a_file_becomes_the_dataclass(tmp_path: Path):
    text = "by_kind: {loud: {said: 'Hey {name}!', window: [-3, 2]}, polite: {said: 'A good {day}'}}\nwords: [oh, ah]\n"
    assert read(tmp_path, text) == Greetings(
        by_kind={"loud": Greeting("Hey {name}!", window=(-3, 2)), "polite": Greeting("A good {day}")},
        words=("oh", "ah"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by_kind: {", r"greetings.yaml: cannot be read as YAML"),
        ("- a", r"the whole file: expected a mapping, got \['a'\]"),
        ("words: [a]", r"the whole file: expected the keys by_kind, and perhaps words, got \['words'\]"),
        ("by_kind: {a: {said: b, sad: c}}", r"by_kind\.a: expected the keys said, and perhaps reply, window, got"),
        ("by_kind: {a: {said: yes}}", r"by_kind\.a\.said: expected text \(in quotes where YAML .*\), got True"),
        ("by_kind: {a: {said: b}}\nwords: c", r"words: expected a list, got 'c'"),
        ("by_kind: {a: {said: b}}\nwords: []", r"words: expected a list with entries, got \[\]"),
        ("by_kind: {a: {said: b, window: [1]}}", r"by_kind\.a\.window: expected 2 entries, got \[1\]"),
        ("by_kind: {a: {said: b, window: [1, x]}}", r"window\[1\]: expected a whole number, got 'x'"),
        ("by_kind: {a: {said: 'Hey {nobody}'}}", r"by_kind\.a\.said: expected only name day in braces"),
        ("by_kind: {a: {said: 'Hey {name.__class__}'}}", r"expected only name day in braces"),
        ("by_kind: {a: {said: 'Hey {name[0]}'}}", r"expected only name day in braces"),
        ("by_kind: {a: {said: 'Hey {name:>99999}'}}", r"expected only name day in braces"),
        ("by_kind: {a: {said: 'Hey {name!r}'}}", r"expected only name day in braces"),
        ("by_kind: {a: {said: 'Hey {name'}}", r"expected braces around a name \(.*\), got 'Hey \{name'"),
        ("by_kind: {a: {said: b, reply: 'to {name}'}}", r"by_kind\.a\.reply: expected nothing in braces"),
        ("by_kind: !!python/object/apply:os.getcwd []", r"cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str):
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"nothing\.yaml: cannot be read as YAML"):
        read_phrases(Greetings, "nothing", tmp_path)
