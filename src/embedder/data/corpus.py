"""A corpus of keys on disk: by position, and by id without a dictionary in memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embedder.data.id_table import IdTable
from embedder.data.jsonl import JsonLines
from embedder.types import Key


class Corpus:
    """The keys of a `corpus.jsonl` (fields `id`, `text`, and `title` where there is one).

    Opening it reads the file once: every row is checked, and a sorted table of id hashes is made in a mapped temporary
    file, so that memory does not grow with the corpus.

    Args:
        path: UTF-8 JSON Lines.

    Raises:
        DataError: A row is malformed, or two rows have one id.
    """

    def __init__(self, path: Path | str) -> None:
        self._rows = JsonLines(path)
        self.path = self._rows.path
        self._table = IdTable((key.id for key in self), len(self), lambda row: self[row].id, self.path)

    def __reduce__(self) -> tuple[type["Corpus"], tuple[Path]]:
        return Corpus, (self.path,)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Key:
        row = self._rows.row(position)
        text = join_title(row.text("title", default=""), row.text("text"))
        return Key(row.text("id"), text, location_of(row.values))

    def __iter__(self) -> Iterator[Key]:
        return (self[position] for position in range(len(self)))

    def texts(self) -> Iterator[str]:
        """All texts in order."""
        return (key.text for key in self)

    def position(self, key_id: str) -> int:
        """Position of a key; KeyError for an unknown id."""
        return self._table.row(key_id)

    def span(self, first_id: str, last_id: str) -> tuple[int, int]:
        """Positions of the keys from one to another, the second one included: the first, and that after the last."""
        return self.position(first_id), self.position(last_id) + 1


def join_title(title: str, text: str) -> str:
    """What is indexed, encoded and shown of a document: title and text with a blank between them, as BEIR has it.

    Join keys in this way wherever they are encoded with an exported model: it is how they were read in training. A text
    that begins with its title then has it twice.

    >>> join_title("Oru", "A river in the north.")
    'Oru A river in the north.'

    Args:
        title: May be empty.
        text: The rest.
    """
    return f"{title} {text}".strip() if title.strip() else text


def location_of(row: Mapping[str, Any]) -> str:
    """Where the text of a key is found: its file, page or line, and headings, as far as the row says so.

    >>> location_of({"text": "Use apt.", "file": "guide.pdf", "page": 4, "headings": ["Install", "Linux"]})
    'guide.pdf#page=4, Install > Linux'
    >>> location_of({"text": "A river in the north."})
    ''

    Args:
        row: Of a corpus, with `file`, `page`, `line` and `headings` as those of documents have them, or none of these.
    """
    file, page, line = row.get("file"), row.get("page"), row.get("line")
    if not isinstance(file, str):
        return ""
    part = f"#page={page}" if isinstance(page, int) else f"#line={line}" if isinstance(line, int) else ""
    headings = row.get("headings") or []
    path = " > ".join(map(str, headings if isinstance(headings, list) else [headings]))
    return f"{file}{part}, {path}" if path else f"{file}{part}"
