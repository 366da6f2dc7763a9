"""Where a written text ends: behind the first of some stop texts."""

from collections.abc import Sequence


def cut_behind(text: str, stop: Sequence[str]) -> str:
    """The text up to and with the stop text that ends first; all of it where there is none.

    Raises:
        ValueError: A stop text is empty, or there is none.
    """
    if not stop or not all(stop):
        raise ValueError(f"stop: expected texts that are not empty, got {list(stop)!r}")
    ends = [text.index(end) + len(end) for end in stop if end in text]
    return text[: min(ends, default=len(text))]
