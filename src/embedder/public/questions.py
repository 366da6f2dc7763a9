"""Questions with their answers, and questions that bring along the paragraphs that they were asked about."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import Rows
from embedder.public.table import Table, texts


@dataclass(frozen=True)
class Questions:
    """One question a row: NQ-open, TriviaQA, PopQA, Bamboogle, and the multi-hop sets over a corpus of their own.

    Args:
        test: The table.
        question: Its column of questions.
        answers: Its columns of answers, each one text or a list of them.
        id: Its column of ids; None numbers the rows.
        type: Its column of what sorts the questions, such as the relation.
        train: The table that solved examples are taken from; None for none.
    """

    test: Table
    question: str = "question"
    answers: Sequence[str] = ("answer",)
    id: str | None = None
    type: str | None = None
    train: Table | None = None

    @property
    def tables(self) -> dict[str, Table]:
        """Those that there are, by split."""
        return {"test": self.test} | ({} if self.train is None else {"train": self.train})

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The queries; see `PublicForm`."""
        for split, table in self.tables.items():
            yield split, (query for _, query in self.rows(table))

    def rows(self, table: Table, more: Sequence[str] = ()) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Each row with its query.

        Args:
            table: One of `tables`.
            more: Columns that must be there beside those of the question.
        """
        columns = [self.question, *self.answers, *(name for name in (self.id, self.type) if name), *more]
        for number, row in enumerate(table.rows(columns)):
            answers = dict.fromkeys(text for column in self.answers for text in texts(row, column) if text.strip())
            query = {
                "query_id": str(number) if self.id is None else _given(row, self.id, row.label(self.id)),
                "query": row.text(self.question),
                "answers": list(answers),
            }
            yield row, query | ({} if self.type is None else {"type": row.label(self.type)})


@dataclass(frozen=True)
class QuestionsWithParagraphs:
    """Questions, each with gold paragraphs and distractors; the paragraphs of all of them are the corpus.

    Paragraphs lie as an object of two lists (HotpotQA), as a list of pairs (2WikiMultihopQA), or as a list of objects
    (MuSiQue). Gold are those that say so themselves, or whose titles stand in a column of supporting facts.

    Args:
        questions: The questions.
        paragraphs: The column of paragraphs.
        title: Name of their titles, in objects.
        text: Name of their texts, or of the lists of their sentences, in objects.
        supporting: The column of supporting facts: an object with `title`, or a list of pairs that begin with one.
        is_gold: Name of what marks gold paragraphs, in a list of objects; then `supporting` is not read.
    """

    questions: Questions
    paragraphs: str = "context"
    title: str = "title"
    text: str = "sentences"
    supporting: str = "supporting_facts"
    is_gold: str | None = None

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """Paragraphs and queries; see `PublicForm`."""
        yield "corpus", self._corpus()
        for split, table in self.questions.tables.items():
            yield split, self._queries(table)

    def _corpus(self) -> Rows:
        seen: set[str] = set()  # sixteen letters a paragraph
        for table in self.questions.tables.values():
            for row in table.rows([self.paragraphs]):
                for title, text, _ in self._paragraphs(row):
                    key_id = _id(title, text)
                    if key_id not in seen:
                        seen.add(key_id)
                        yield {"id": key_id, "title": title, "text": text}

    def _queries(self, table: Table) -> Rows:
        more = [self.paragraphs, *([] if self.is_gold else [self.supporting])]
        for row, query in self.questions.rows(table, more):
            gold = dict.fromkeys(_id(title, text) for title, text, is_gold in self._paragraphs(row) if is_gold)
            yield query | {"pos": list(gold)}

    def _paragraphs(self, row: Row) -> Iterator[tuple[str, str, bool]]:
        """Title, text and whether it is gold, of every paragraph that is not blank."""
        titles = set() if self.is_gold else set(self._supporting_titles(row))
        for title, text, marked in self._raw(row):
            joined = text if isinstance(text, str) else " ".join(part.strip() for part in text or () if part)
            if joined.strip():
                yield title, joined.strip(), marked or title in titles

    def _raw(self, row: Row) -> Iterator[tuple[str, str | list[str], bool]]:
        value = row.value(self.paragraphs)
        try:
            if isinstance(value, Mapping):
                yield from (
                    (title, text, False) for title, text in zip(value[self.title], value[self.text], strict=True)
                )
                return
            for one in value:
                if isinstance(one, Mapping):
                    yield one[self.title], one[self.text], bool(self.is_gold and one[self.is_gold])
                else:
                    title, text = one
                    yield title, text, False
        except (KeyError, TypeError, ValueError) as error:
            raise row.error(
                f"column {self.paragraphs!r}: expected paragraphs with {self.title!r} and {self.text!r}, or pairs of "
                f"them, got {str(value)[:80]!r}"
            ) from error

    def _supporting_titles(self, row: Row) -> list[str]:
        value = row.value(self.supporting)
        try:
            if isinstance(value, Mapping):
                return list(value["title"])
            return [fact["title"] if isinstance(fact, Mapping) else fact[0] for fact in value]
        except (KeyError, TypeError, IndexError) as error:
            expected = "an object with 'title', or a list of pairs that begin with a title"
            raise row.error(f"column {self.supporting!r}: expected {expected}, got {str(value)[:80]!r}") from error


def _given(row: Row, column: str, text: str) -> str:
    """The text of a column that must not be blank."""
    if not text.strip():
        raise row.error(f"column {column!r}: expected a text, got a blank one")
    return text


def _id(title: str, text: str) -> str:
    return hashlib.blake2b(f"{title}\0{text}".encode(), digest_size=8).hexdigest()
