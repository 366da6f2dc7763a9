"""Which passages a user's questions name as right: by id, by text, by an excerpt, by file and page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.data.excerpts import Excerpts
from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.metrics.text import has_answer
from embedder.shown import nearest
from embedder.texts import text_hash

_GRAM = 8  # words: two texts with so many in a row in common are about the same part of a document
_SHARE = 0.5  # of the shorter one of passage and excerpt


@dataclass(frozen=True)
class Named:
    """What a question names."""

    row: Row
    answers: Sequence[str]
    passages: Sequence[str] = ()
    file: str = ""
    page: int | None = None


@dataclass
class GoldKeys:
    """Looks up what questions name, in one pass through the corpus: memory grows with the questions alone.

    Args:
        questions: All of them.
        corpus: `corpus.jsonl` of a folder of documents.
        copies: `copies.jsonl` beside it.
    """

    questions: Sequence[Named]
    corpus: Path
    copies: Path
    _of_passage: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _files: set[str] = field(default_factory=set)
    _of_file: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        named = {passage for question in self.questions for passage in question.passages}
        of_hash = defaultdict(list)
        for passage in named:
            of_hash[text_hash(passage)].append(passage)
        excerpts = Excerpts(named, _GRAM, _SHARE)
        files = {question.file for question in self.questions if question.file}
        copies = list(JsonLines(self.copies)) if self.copies.stat().st_size else []
        originals: dict[str, dict[str, Any]] = {copy["copy_of"]: {} for copy in copies if copy["file"] in files}
        near: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in JsonLines(self.corpus):
            self._files.add(row["file"])
            exact = {row["id"], row.get("document", "")} & named | set(of_hash.get(text_hash(row["text"]), ()))
            for passage in exact:
                self._of_passage[passage].append(row)
            for passage in excerpts.like(row["text"]) if not exact else ():
                near[passage].append(row)
            if row["file"] in files:
                self._of_file[row["file"]].append(row)
            if row["id"] in originals:
                originals[row["id"]] = row
        self._of_passage |= {passage: rows for passage, rows in near.items() if passage not in self._of_passage}
        for copy in copies:
            self._files.add(copy["file"])
            if copy["file"] in files:
                original = originals[copy["copy_of"]]
                self._of_file[copy["file"]].append(copy | {"id": original["id"], "text": original["text"]})

    def of(self, question: Named) -> list[str]:
        """The ids of its gold keys, empty if it names a file alone, none of whose passages holds an answer.

        Raises:
            DataError: What it names is not there.
        """
        gold = dict.fromkeys(key_id for passage in question.passages for key_id in self._named(question, passage))
        return list(gold) if question.passages or not question.file else self._in_file(question)

    def _named(self, question: Named, passage: str) -> list[str]:
        if passage not in self._of_passage:
            what = "which is neither the id nor the text of one, nor shares much of its text with one"
            raise question.row.error(f"names the passage {passage[:60]!r}, {what}")
        rows = self._of_passage[passage]
        return _holding(question, rows) or [row["id"] for row in rows]

    def _in_file(self, question: Named) -> list[str]:
        rows = self._of_file.get(question.file, [])
        if not rows:
            near = nearest(question.file, sorted(self._files))
            raise question.row.error(f"names the file {question.file!r}, of which nothing was read{near}")
        if question.page is None:
            return _holding(question, rows) or [row["id"] for row in rows if len(rows) == 1]
        rows = [row for row in rows if row.get("page", 0) <= question.page <= row.get("last_page", row.get("page", 0))]
        if not rows:
            raise question.row.error(f"names the page {question.page} of {question.file}, on which nothing was read")
        return _holding(question, rows) or [row["id"] for row in rows]


def _holding(question: Named, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Of these passages those that hold an answer."""
    return [row["id"] for row in rows if question.answers and has_answer(row["text"], question.answers)]
