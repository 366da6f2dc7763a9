"""Keys as users give them: a text, or an object with `text`, maybe `title`, and whatever belongs to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.corpus import join_title, location_of
from embedder.errors import ConfigError

AnyKey = str | Mapping[str, Any]
"""A text, or a mapping with `text`, maybe `title`, and any other values that JSON can hold."""


@dataclass(frozen=True)
class Hit:
    """A key that was found for a query.

    Args:
        rank: From 1, the best.
        score: Cosine of query and key, where the index is exact.
        key: The key with all that was given: `text`, and maybe `title`, `id`, `file`, ...
    """

    rank: int
    score: float
    key: Mapping[str, Any]

    @property
    def text(self) -> str:
        """What the encoder read of it: title and text."""
        return text_of(self.key)

    @property
    def location(self) -> str:
        """Its file, page and headings, such as `guide.pdf#page=4, Install > Linux`; empty if the key does not say."""
        return location_of(self.key)


def rows_of(keys: Iterable[AnyKey]) -> list[dict[str, Any]]:
    """Each key as an object; a plain text becomes its `text`.

    >>> rows_of(["a lighthouse", {"title": "Oru", "text": "a builder", "page": 4}])
    [{'text': 'a lighthouse'}, {'title': 'Oru', 'text': 'a builder', 'page': 4}]

    Raises:
        ConfigError: A key is neither, or one text was given in place of several.
    """
    if isinstance(keys, str | Mapping) or not isinstance(keys, Iterable):
        raise ConfigError("keys", "several keys, such as [keys[0], ...]", keys)
    if hasattr(keys, "columns"):  # a table gives the names of its columns, not its rows
        raise ConfigError("keys", "texts or mappings, such as table.to_dict('records')", type(keys).__name__)
    rows = []
    for number, key in enumerate(keys):
        row = {"text": key} if isinstance(key, str) else dict(key) if isinstance(key, Mapping) else {}
        if not _is_text(row.get("text")) or not _is_text(row.get("title") or "") or not text_of(row).strip():
            expected = "a text that is not blank, or a mapping with a `text` and maybe a `title`"
            raise ConfigError(f"keys[{number}]", expected, key)
        rows.append(row)
    return rows


def text_of(row: Mapping[str, Any]) -> str:
    """What the encoder reads of a key."""
    return join_title(row.get("title") or "", row["text"])


def checked_texts(texts: Sequence[str], name: str) -> list[str]:
    """The texts as a list.

    Raises:
        ConfigError: One text was given in place of several, or something else than a text.
    """
    if isinstance(texts, str | Mapping) or hasattr(texts, "columns") or not isinstance(texts, Iterable):
        raise ConfigError(name, "a list of texts", texts)
    listed = list(texts)
    for number, text in enumerate(listed):
        if not _is_text(text) or not text.strip():
            raise ConfigError(f"{name}[{number}]", "a text that is not blank", text)
    return listed


def path_of(path: object, name: str = "path") -> Path:
    """The path of a file or folder, in which `~` is the home folder.

    Raises:
        ConfigError: It is none.
    """
    if not isinstance(path, str | Path):
        raise ConfigError(name, "the path of a file or folder", path)
    return Path(path).expanduser()


def _is_text(value: object) -> bool:
    """Whether it is a text of whole characters: a tokenizer takes no half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
