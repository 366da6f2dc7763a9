"""The text of a file in whatever encoding it has."""

import codecs

from charset_normalizer import from_bytes

from embedder.documents.document import UnreadableError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WESTERN = "cp1252"
_LOOKED_AT = 1 << 16  # bytes
_FEW = 0.2  # of the bytes: a text with fewer letters that are not ASCII is of a Latin script


def decoded(content: bytes, declared: str = "") -> tuple[str, str]:
    """The text with line breaks of Unix, and the encoding that was guessed, or nothing.

    A byte order mark says the encoding; without one it is UTF-8 if it can be, and otherwise guessed.

    Args:
        content: Of a file.
        declared: The encoding that the content names itself, which counts where there is no byte order mark.

    Raises:
        UnreadableError: It is not text.
    """
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), "")
    guessed = ""
    try:
        text = content.decode(marked or declared or "utf-8")
    except (ValueError, LookupError):  # `undefined` and names with a zero byte are declared too
        guessed = _guessed(content)
        text = content.decode(guessed)
    if "\0" in text:
        raise UnreadableError("not text: it holds zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n"), guessed


def _guessed(content: bytes) -> str:
    """The likeliest encoding. Western European is preferred to others that fit as well, or if little speaks for any."""
    matches = {match.encoding: match for match in from_bytes(content)}
    if not matches:
        raise UnreadableError("not text in an encoding that is known")
    best, western = next(iter(matches.values())), matches.get(_WESTERN)
    if western is not None and western.coherence >= best.coherence:
        return _WESTERN
    others = sum(byte > 127 for byte in content[:_LOOKED_AT]) / len(content[:_LOOKED_AT])
    if best.coherence == 0 and others < _FEW and _fits(content):
        return _WESTERN
    return best.encoding


def _fits(content: bytes) -> bool:
    try:
        content.decode(_WESTERN)
    except UnicodeDecodeError:
        return False
    return True
