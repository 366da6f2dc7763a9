"""Names of what is kept on disk depend on the settings alone, not on how the code writes them down."""

import hashlib
from dataclasses import dataclass, field

import pytest

from embedder.identity import identity


@dataclass(frozen=True)
class Inner:
    words: tuple[str, ...] = ("a", "b")


@dataclass(frozen=True)
class Settings:
    inner: Inner = field(default_factory=Inner)
    share: float = 0.5
    seen: int = field(default=0, repr=False)
    """No setting: it changes while the settings are used."""


def test_it_is_the_digest_of_sorted_json():
    text = (
        '{"form": {"class": "Settings", "inner": {"class": "Inner", "words": ["a", "b"]}, "share": 0.5}, "format": 2}'
    )
    assert identity(format=2, form=Settings()) == hashlib.sha256(text.encode()).hexdigest()


def test_another_value_class_or_format_gives_another_name():
    names = [
        identity(format=1, form=Settings()),
        identity(format=2, form=Settings()),
        identity(format=1, form=Settings(share=0.25)),
        identity(format=1, form=Settings(Inner(words=("b", "a")))),
        identity(format=1, form=Inner()),
    ]
    assert len(set(names)) == len(names)


def test_a_new_setting_that_is_off_leaves_the_name_as_it_was():
    @dataclass(frozen=True)
    class Older:
        share: float

    @dataclass(frozen=True)
    class Newer:
        limit: int | None
        share: float

    Older.__name__ = Newer.__name__ = "Form"
    assert identity(form=Older(0.1)) == identity(form=Newer(None, 0.1)) != identity(form=Newer(5, 0.1))


def test_lists_are_tuples_and_what_is_no_setting_does_not_count():
    assert identity(form=Settings(Inner(["a", "b"]), seen=7)) == identity(form=Settings())  # type: ignore[arg-type]


def test_what_has_no_stable_text_is_refused():
    with pytest.raises(TypeError):
        identity(form=object())


def test_a_class_of_ones_own_counts_with_its_text():
    class Mine:
        def __repr__(self):
            return "Mine(3)"

    assert identity(reward=[Mine()]) == identity(reward=["Mine(3)"])
