"""A user's file of questions about documents, as the queries of a data set by id."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.jsonl import JsonLines
from embedder.data.queries import GROUPS
from embedder.documents.gold import GoldKeys, Named
from embedder.texts import question_form


@dataclass(frozen=True)
class QuestionFile:
    """JSON Lines of questions; see `docs/data.md`.

    `question` (or `query`), `answers` (or `answer`), and what is right for it, if that is known: `passages` (or `pos`),
    ids or texts of keys, or excerpts, or `file`, the name of a document, with or without `page`.
    """

    format: int = 1
    """Raised when the rows that are made of a file change."""

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The queries, all as `train`; see `Conversion`."""
        yield "train", self._queries(files)

    def _queries(self, files: Mapping[str, Path]) -> Rows:
        questions = [_question(row) for row in JsonLines(files["questions"]).rows()]
        found = GoldKeys(questions, files["corpus"], files["copies"])
        numbers: Counter[str] = Counter()
        for question in questions:
            form = question_form(question.text)
            numbers[form] += 1
            digest = hashlib.blake2b(f"{form}/{numbers[form]}".encode(), digest_size=8).hexdigest()
            query = {"query_id": digest, "query": question.text, "answers": list(question.answers)}
            gold = found.of(question)
            groups = {name: question.row.label(name) for name in GROUPS if name in question.row}
            yield query | groups | ({"pos": gold} if gold else {}) | {ORIGIN: ("questions", question.row.line)}


@dataclass(frozen=True)
class _Question(Named):
    text: str = ""


def _question(row: Row) -> _Question:
    text = row.text("query" if "query" in row and "question" not in row else "question")
    answers = _texts(row, "answers") or _texts(row, "answer")
    passages = _texts(row, "passages") or _texts(row, "pos")
    file = row.text("file", default="")
    page = row.value("page") if "page" in row else None
    if page is not None and (type(page) is not int or not file):
        raise row.error(f"field 'page': expected a whole number, beside the field 'file', got {page!r}")
    if not answers and not passages and not file:
        raise row.error("expected the field 'answers', 'passages' or 'file': nothing is known of this question")
    return _Question(row, answers, passages, file, page, text)


def _texts(row: Row, name: str) -> tuple[str, ...]:
    """A text or a list of them, without blank ones."""
    value = row.values.get(name)
    texts = (row.text(name, default=""),) if isinstance(value, str) else row.texts(name)
    return tuple(text for text in texts if text.strip())
