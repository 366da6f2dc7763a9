"""Questions with their answers, and questions whose rows have the paragraphs that they are about."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import Rows
from embedder.errors import ConfigError
from embedder.public.form import PublicTable, splits
from embedder.public.table import texts


@dataclass(frozen=True)
class Questions:
    """One question a row, as in the collection FlashRAG: `id`, `question`, `golden_answers` and `metadata`.

    Source: Jin et al., WWW 2025 (arXiv 2405.13576).

    Args:
        test: The table.
        train: That of the training split, which few-shot examples are taken from; None for none.
        question: The column of questions.
        answers: The columns of answers, each one text or a list of them.
        id: The column of ids; None numbers the rows.
        options: The column of lists of options, of which the answer is the number of one, from 0; None for none.
        type: The column of what sorts the questions, such as `metadata.type`; None for none.
        task_name: The column of their subjects, as MMLU has them; None for none.
        no_answer: What stands in the place of an answer where there is none.
    """

    test: PublicTable
    train: PublicTable | None = None
    question: str = "question"
    answers: Sequence[str] = ("golden_answers",)
    id: str | None = "id"
    options: str | None = None
    type: str | None = None
    task_name: str | None = None
    no_answer: str | None = None

    @property
    def tables(self) -> dict[str, PublicTable]:
        """Those that there are, by split."""
        return splits(self.test, self.train)

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The queries; see `PublicForm`."""
        for split, table in self.tables.items():
            yield split, (query for _, query in self.rows(table))

    def rows(self, table: PublicTable, more: Sequence[str] = ()) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Each row with its query.

        Args:
            table: One of `tables`.
            more: Columns that must be there beside those of the question.
        """
        groups = {"type": self.type, "task_name": self.task_name}
        optional = (self.id, self.options, *groups.values())
        columns = [self.question, *self.answers, *(name for name in optional if name), *more]
        for number, row in enumerate(table.rows(columns)):
            query: dict[str, Any] = {
                "query_id": str(number) if self.id is None else _not_blank(row, self.id),
                "query": row.text(self.question),
            }
            if self.options is None:
                given = (text for column in self.answers for text in texts(row, column) if text.strip())
                query["answers"] = [text for text in dict.fromkeys(given) if text != self.no_answer]
            else:
                query["options"] = list(row.texts(self.options))
                query["answers"] = [_option(row, column, query["options"]) for column in self.answers]
            yield row, query | {group: row.label(column) for group, column in groups.items() if column}


@dataclass(frozen=True)
class QuestionsWithParagraphs:
    """Questions, each with gold paragraphs and distractors; the paragraphs of all of them are the corpus.

    Titles, texts and marks lie in lists of one length: `metadata.context.title` of FlashRAG's HotpotQA, or
    `paragraphs.title` of MuSiQue's list of objects. Some questions have none; nothing is gold for them.

    Args:
        questions: The questions.
        titles: The column of the titles of a question's paragraphs; None where they have none.
        texts: The column of their texts, each one text or a list of sentences.
        gold_titles: The column of the titles of gold paragraphs; None where `is_gold` marks them.
        is_gold: The column of true and false, whether a paragraph is gold; None where `gold_titles` names them.
    """

    questions: Questions
    titles: str | None
    texts: str
    gold_titles: str | None = None
    is_gold: str | None = None

    def __post_init__(self) -> None:
        if (self.gold_titles is None) == (self.is_gold is None):
            raise ConfigError("form.is_gold", "gold_titles or is_gold, one of them", [self.gold_titles, self.is_gold])
        if self.titles is None and self.is_gold is None:
            raise ConfigError("form.titles", "a column, since gold_titles names some of its titles", None)

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """Paragraphs and queries; see `PublicForm`."""
        yield "corpus", self._corpus()
        for split, table in self.questions.tables.items():
            yield split, self._queries(table)

    def _corpus(self) -> Rows:
        seen: set[str] = set()  # sixteen letters a paragraph
        for table in self.questions.tables.values():
            for row in table.rows(self._columns):
                for title, text, _ in self._paragraphs(row):
                    key_id = _id(title, text)
                    if key_id not in seen:
                        seen.add(key_id)
                        yield {"id": key_id, "title": title, "text": text}

    def _queries(self, table: PublicTable) -> Rows:
        for row, query in self.questions.rows(table, self._columns):
            gold = dict.fromkeys(_id(title, text) for title, text, is_gold in self._paragraphs(row) if is_gold)
            yield query | {"pos": list(gold)}

    @property
    def _columns(self) -> list[str]:
        return [name for name in (self.titles, self.texts, self.gold_titles, self.is_gold) if name is not None]

    def _paragraphs(self, row: Row) -> Iterator[tuple[str, str, bool]]:
        """Title, text and whether it is gold, of every paragraph that is not blank."""
        bodies = row.items(self.texts)
        titles = [""] * len(bodies) if self.titles is None else row.texts(self.titles)
        gold_titles = set() if self.gold_titles is None else set(row.texts(self.gold_titles))
        marks = [title in gold_titles for title in titles] if self.is_gold is None else list(row.value(self.is_gold))
        if not len(titles) == len(bodies) == len(marks):
            lengths = dict(zip((self.titles, self.texts, self.is_gold), map(len, (titles, bodies, marks)), strict=True))
            raise row.error(f"expected lists of one length, got {lengths}")
        for title, body, is_gold in zip(titles, bodies, marks, strict=True):
            text = body if isinstance(body, str) else " ".join(part.strip() for part in body or () if part)
            if text.strip():
                yield title, text.strip(), bool(is_gold)


def _not_blank(row: Row, column: str) -> str:
    text = row.label(column)
    if not text.strip():
        raise row.error(f"column {column!r}: expected a text, got a blank one")
    return text


def _option(row: Row, column: str, options: Sequence[str]) -> str:
    number = row.value(column)
    if not isinstance(number, int) or not 0 <= number < len(options):
        raise row.error(f"column {column!r}: expected a number from 0 to {len(options) - 1}, got {number!r}")
    return options[number]


def _id(title: str, text: str) -> str:
    return hashlib.blake2b(f"{title}\0{text}".encode(), digest_size=8).hexdigest()
