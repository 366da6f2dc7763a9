"""One source of randomness for the whole world: generators named by what they draw."""

from random import Random


def seeded(*parts: int | str) -> Random:
    """A generator that depends on its name only.

    A string seed goes through SHA-512, and `random`, `choice`, `shuffle` and `sample` draw the same values on every
    machine and in every Python from 3.11 on, so a world is the same everywhere.
    """
    return Random("/".join(map(str, parts)))  # noqa: S311  # names of invented towns are no secrets
