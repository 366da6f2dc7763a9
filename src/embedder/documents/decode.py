"""The text of a file in whatever encoding it has."""

import codecs
from pathlib import Path

from embedder.documents.document import UnreadableError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def text_of(path: Path) -> str:
    """The text of a file, with line breaks of Unix.

    A byte order mark says the encoding; without one it is UTF-8 if it can be, and otherwise the most likely encoding.

    Raises:
        UnreadableError: It is not text.
    """
    return decoded(path.read_bytes())


def decoded(content: bytes, declared: str | None = None) -> str:
    """The text of these bytes; see `text_of`.

    Args:
        content: Of a file.
        declared: The encoding that the content names itself, which counts where there is no byte order mark.
    """
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    try:
        text = content.decode(marked or declared or "utf-8")
    except (UnicodeDecodeError, LookupError):
        text = _likely(content)
    if "\0" in text:
        raise UnreadableError("not text: it holds zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _likely(content: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    if best is None:
        raise UnreadableError("not text in an encoding that is known")
    return str(best)
