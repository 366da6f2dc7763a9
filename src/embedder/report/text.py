"""Text from data, made fit for a page: nothing in it may hide, reorder or flood what stands beside it."""

from embedder.evaluation.plain_text import controls_shown

MAX_CHARACTERS = 1200


def visible(text: str, limit: int = MAX_CHARACTERS) -> str:
    """A text that shows what it holds, `controls_shown`, and if it is too long is cut, with its length.

    Escaping is the template's work.

    Args:
        text: Anything.
        limit: Characters that stay.
    """
    rest = len(text) - limit
    cut = controls_shown(text[:limit])
    return cut if rest <= 0 else f"{cut} … ({rest:,} more characters)"
