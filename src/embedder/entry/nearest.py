"""The name that was meant by one that is not there."""

from collections.abc import Sequence
from difflib import get_close_matches


def nearest(name: str, names: Sequence[str]) -> str:
    """` (did you mean X?)`, or nothing if no name is like it."""
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""
