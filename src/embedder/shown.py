"""Foreign text (of data, servers, settings, libraries) made fit to be shown: it hides, reorders and floods nothing."""

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\N{SYMBOL FOR DELETE}"}  # their pictures
_REORDERING = {
    code: f"⟨U+{code:04X}⟩" for code in (*range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_BROKEN = dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
_TABLE = _CONTROLS | _REORDERING | _BROKEN

LIMIT = 200  # characters


def shown(value: object, limit: int = LIMIT) -> str:
    """One line that shows what a text holds: control characters as pictures, marks that reorder spelled out, the rest cut.

    Args:
        value: A text, or anything with one.
        limit: Characters that stay; of a longer text its start, with the number of those left out.
    """
    text = str(value)
    cut = text[:limit].translate(_TABLE)
    return cut if len(text) <= limit else f"{cut}… ({len(text) - limit:,} more characters)"
