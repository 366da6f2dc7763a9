"""Settings of a wrong type or out of their bounds are refused under the name that a user sets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from embedder.bounds import Bound, Limit, NonNegativeInt, PositiveFloat, PositiveInt, ShareBelowOne, ShareBetween
from embedder.checks import check_types, check_value, checked
from embedder.errors import ConfigError


def test_plain_settings_are_held_against_their_types():
    @dataclass
    class Settings:
        size: int
        rate: float
        name: str | None
        anything: list[str]

    check_types(Settings(1, 2, None, ["x"]), "a.b")
    for wrong, message in (
        (Settings(True, 0.5, "x", []), "a.b.size: expected a whole number, got True"),
        (Settings(1, "fast", "x", []), "a.b.rate: expected a number, got 'fast'"),
        (Settings(1, 0.5, 3, []), "a.b.name: expected text or null, got 3"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            check_types(wrong, "a.b")


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (PositiveInt, 0, "1 or more"),
        (PositiveInt, True, "a whole number"),
        (PositiveInt, 1.0, "a whole number"),
        (PositiveInt | None, 0, "1 or more, or null"),
        (PositiveInt | None, "x", "a whole number or null"),
        (Limit | None, -1, "1 or more, or null for all"),
        (NonNegativeInt, -1, "0 or more"),
        (PositiveFloat, 0, "a number above 0"),
        (PositiveFloat, float("nan"), "a finite number"),
        (PositiveFloat, 10**400, "a finite number"),
        (PositiveFloat | None, float("inf"), "a finite number or null"),
        (ShareBelowOne, 1.0, "a share from 0 to below 1"),
        (ShareBetween, 0, "a share between 0 and 1"),
        (Annotated[int, Bound("8 or more tokens", at_least=8)], 7, "8 or more tokens"),
        (list[PositiveInt], [1, 0], "a list of whole numbers, 1 or more"),
        (list[PositiveInt | None], [1, 0], "a list of whole numbers, 1 or more or null"),
        (Mapping[str, PositiveInt], {"a": 0}, "a mapping"),
        (Mapping[str, Bound], {"a": {"at_least": 1}}, "a mapping"),
        (Literal["mean", "sum"], "max", "'mean' or 'sum'"),
        (Literal["cls", "mean", "last"], "max", "one of ['cls', 'mean', 'last']"),
        (Literal[64, 32] | Literal["64", "32"] | None, 8, "one of [64, 32, '64', '32'] or null"),
    ],
)
def test_a_value_out_of_its_bound_is_told_what_is_within(annotation, value, expected):
    with pytest.raises(ConfigError) as error:
        check_value("a.b", value, annotation)
    assert str(error.value) == f"a.b: expected {expected}, got {value!r}"


def test_what_is_within_its_bound_passes():
    for annotation, values in (
        (PositiveInt | None, (1, 10**9, None)),
        (PositiveFloat, (1e-30, 1)),
        (ShareBelowOne, (0, 0.999)),
        (list[PositiveInt], ([], [1], (2, 3))),
    ):
        for value in values:
            check_value("a.b", value, annotation)


@checked("a.b")
@dataclass(frozen=True)
class Settings:
    n: PositiveInt
    most: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        if self.most is not None and self.n > self.most:
            raise ConfigError("a.b.n", f"at most {self.most}", self.n)


@checked("callbacks.plain")
class Plain:
    def __init__(self, rate: ShareBelowOne, *, steps: PositiveInt = 1, **others: object) -> None:
        self.rate, self.steps, self.others = rate, steps, others


def test_a_checked_class_refuses_what_it_is_built_with():
    assert (Settings(2).n, Settings(n=2, most=2).most) == (2, 2)
    assert Plain(0.5, steps=3, more="x").others == {"more": "x"}
    for build, message in (
        (lambda: Settings(0), "a.b.n: expected 1 or more, got 0"),
        (lambda: Settings("2", most=0), "a.b.n: expected a whole number, got '2'"),
        (lambda: Settings(2, most=-1), "a.b.most: expected 0 or more, or null, got -1"),
        (lambda: Settings(2, most=1), "a.b.n: expected at most 1, got 2"),
        (lambda: Plain(1), "callbacks.plain.rate: expected a share from 0 to below 1, got 1"),
        (lambda: Plain(0, steps=0), "callbacks.plain.steps: expected 1 or more, got 0"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            build()
    with pytest.raises(TypeError, match="missing a required argument: 'n'"):
        Settings()
