"""A user's file of questions about documents, as the queries of a data set by id."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.jsonl import JsonLines
from embedder.data.queries import GROUPS
from embedder.metrics.text import has_answer
from embedder.shown import nearest
from embedder.texts import normal_form, question_form, text_hash


@dataclass(frozen=True)
class QuestionFile:
    """JSON Lines of questions; see `docs/data.md`.

    `question` (or `query`), `answers` (or `answer`), and what is right for it, if that is known: `passages` (or `pos`),
    the ids or the exact texts of keys, or `file`, the name of a document, with or without `page`.
    """

    format: int = 1
    """Raised when the rows that are made of a file change."""

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether there are questions."""
        return "questions" in files

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The queries, all as `train`; see `Form`."""
        yield "train", self._queries(files)

    def _queries(self, files: Mapping[str, Path]) -> Rows:
        questions = [_Question.of(row) for row in JsonLines(files["questions"]).rows()]
        found = _Found(questions, files["corpus"], files["copies"])
        numbers: Counter[str] = Counter()
        for question in questions:
            form = question_form(question.text)
            numbers[form] += 1
            digest = hashlib.blake2b(f"{form}/{numbers[form]}".encode(), digest_size=8).hexdigest()
            query = {"query_id": digest, "query": question.text, "answers": list(question.answers)}
            gold = found.gold(question)
            groups = {name: question.row.label(name) for name in GROUPS if name in question.row}
            yield query | groups | ({"pos": gold} if gold else {}) | {ORIGIN: ("questions", question.row.line)}


@dataclass(frozen=True)
class _Question:
    row: Row
    text: str
    answers: tuple[str, ...]
    passages: tuple[str, ...]
    file: str
    page: int | None

    @classmethod
    def of(cls, row: Row) -> "_Question":
        text = row.text("query" if "query" in row and "question" not in row else "question")
        answers = _texts(row, "answers") or _texts(row, "answer")
        passages = _texts(row, "passages") or _texts(row, "pos")
        file = row.text("file", default="")
        page = row.value("page") if "page" in row else None
        if page is not None and (not isinstance(page, int) or not file):
            raise row.error(f"field 'page': expected a whole number, beside the field 'file', got {page!r}")
        if not answers and not passages and not file:
            raise row.error("expected the field 'answers', 'passages' or 'file': nothing is known of this question")
        return cls(row, text, answers, passages, file, page)


def _texts(row: Row, name: str) -> tuple[str, ...]:
    """A text or a list of them, without blank ones."""
    value = row.values.get(name)
    texts = (row.text(name, default=""),) if isinstance(value, str) else row.texts(name)
    return tuple(text for text in texts if text.strip())


@dataclass
class _Found:
    """What the questions name, looked up in one pass through the corpus: memory grows with the questions alone."""

    questions: Sequence[_Question]
    corpus: Path
    copies: Path
    _ids: set[str] = field(default_factory=set)
    _of_text: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    _files: set[str] = field(default_factory=set)
    _of_file: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        named = {passage for question in self.questions for passage in question.passages}
        hashes = {text_hash(passage) for passage in named}
        wanted = {question.file for question in self.questions if question.file}
        originals: dict[str, dict[str, Any]] = {}
        copies = list(JsonLines(self.copies)) if self.copies.stat().st_size else []
        copied = {copy["copy_of"] for copy in copies if copy["file"] in wanted}
        for row in JsonLines(self.corpus):
            self._files.add(row["file"])
            if row["id"] in named:
                self._ids.add(row["id"])
            if (text := text_hash(row["text"])) in hashes:
                self._of_text[text].append(row["id"])
            if row["file"] in wanted:
                self._of_file[row["file"]].append(row)
            if row["id"] in copied:
                originals[row["id"]] = row
        for copy in copies:
            self._files.add(copy["file"])
            if copy["copy_of"] in originals and copy["file"] in wanted:
                self._of_file[copy["file"]].append(
                    copy | {name: originals[copy["copy_of"]][name] for name in ("id", "text")}
                )

    def gold(self, question: _Question) -> list[str]:
        """The ids of its gold keys.

        Raises:
            DataError: What it names is not there.
        """
        gold = dict.fromkeys(key_id for passage in question.passages for key_id in self._named(question, passage))
        if question.file and not question.passages:
            gold = dict.fromkeys(self._in_file(question))
        return list(gold)

    def _named(self, question: _Question, passage: str) -> list[str]:
        if passage in self._ids:
            return [passage]
        if key_ids := self._of_text.get(text_hash(passage)):
            return key_ids
        raise question.row.error(
            f"names the passage {normal_form(passage)[:60]!r}, which is neither the id nor the text of one"
        )

    def _in_file(self, question: _Question) -> list[str]:
        rows = self._of_file.get(question.file, [])
        if not rows:
            near = nearest(question.file, sorted(self._files))
            raise question.row.error(f"names the file {question.file!r}, of which nothing was read{near}")
        if question.page is not None:
            rows = [
                row for row in rows if row.get("page", 0) <= question.page <= row.get("last_page", row.get("page", 0))
            ]
            if not rows:
                raise question.row.error(
                    f"names the page {question.page} of {question.file}, on which nothing was read"
                )
        holding = [row["id"] for row in rows if question.answers and has_answer(row["text"], question.answers)]
        return holding or ([row["id"] for row in rows] if question.page is not None else [])
