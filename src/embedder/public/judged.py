"""Queries with judged documents, in tables of their own: the catalogue `ir_datasets`, ToolBench, QReCC."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.beir import document_row
from embedder.data.forms.form import Rows
from embedder.data.forms.own_documents import OwnDocuments
from embedder.errors import DataError
from embedder.identity import identity
from embedder.public.form import PublicTable, splits
from embedder.public.table import columns_in, fill, texts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judgments:
    """The queries of a split, and which documents are right for them.

    Args:
        queries: Its queries, and perhaps those of other splits.
        table: One judgment a row.
        query: Template of a query's id, `{column}` standing for its value.
        key: Its column of document ids, each one or a list of them.
        score: Its column of scores; what is above 0 is gold. None: all are.
    """

    queries: PublicTable
    table: PublicTable
    query: str = "{query_id}"
    key: str = "doc_id"
    score: str | None = "relevance"

    def gold(self) -> dict[str, list[str]]:
        """Gold keys of every query with a judgment."""
        gold: dict[str, list[str]] = {}
        columns = [*columns_in(self.query), self.key, *([self.score] if self.score else [])]
        for row in self.table.rows(columns):
            is_gold = self.score is None or _number(row, self.score) > 0
            keys = row.texts(self.key) if isinstance(row.value(self.key), list) else (row.label(self.key),)
            gold.setdefault(fill(self.query, row), []).extend(keys if is_gold else [])
        return {query: list(dict.fromkeys(keys)) for query, keys in gold.items()}


@dataclass(frozen=True)
class Judged:
    """Queries with a judgment become queries by id; texts are templates, `{column}` standing for its value.

    Args:
        test: Queries and judgments of the test split.
        corpus: Documents; None where the data set has a corpus of its own.
        train: Those of the training split; None for none.
        key_id: Template of a document's id.
        key_title: Template of its title.
        key_text: Template of its text; where it comes out blank, the title or else the id stands for it.
        keys_repeat: Whether a document comes once for each query that names it, as in ToolBench; the first one is read.
        query_id: Template of a query's id.
        query_text: Template of its text.
        history: The column of earlier turns, a list that goes in front of the text; None for none.
        answers: Columns of answers.
        exclude_own: Whether a query is not compared with the document of its own id, as in BEIR.
    """

    test: Judgments
    corpus: PublicTable | None = None
    train: Judgments | None = None
    key_id: str = "{id}"
    key_title: str = "{title}"
    key_text: str = "{text}"
    keys_repeat: bool = False
    query_id: str = "{id}"
    query_text: str = "{text}"
    history: str | None = None
    answers: Sequence[str] = ()
    exclude_own: bool = False

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """Documents and queries; see `PublicForm`."""
        judged = splits(self.test, self.train)
        gold = {split: judgments.gold() for split, judgments in judged.items()}
        own_documents = OwnDocuments(set().union(*gold.values()) if self.exclude_own else ())
        if self.corpus is not None:
            yield "corpus", own_documents.noted(self._keys(self.corpus))
        for split, judgments in judged.items():
            yield split, self._queries(judgments, own_documents.fields(gold.pop(split), judgments.table.label))

    def _keys(self, corpus: PublicTable) -> Rows:
        templates = (self.key_id, self.key_title, self.key_text)
        first: dict[str, str] = {}  # digests of documents by id, since a corpus may be larger than memory
        repeated = 0
        for row in corpus.rows([column for template in templates for column in columns_in(template)]):
            document = document_row(*(fill(template, row).strip() for template in templates))
            digest = identity(document=document) if self.keys_repeat else None
            if digest is None or (earlier := first.setdefault(document["id"], digest)) is digest:
                yield document
            elif earlier == digest:
                repeated += 1
            else:
                raise row.error(f"document {document['id']!r} has another text than before")
        if repeated:
            logger.info("%s: %d rows repeat a document and are left out", corpus.label, repeated)

    def _queries(self, judgments: Judgments, judged: dict[str, dict[str, Any]]) -> Rows:
        columns = [*columns_in(self.query_id), *columns_in(self.query_text), *self.answers]
        for row in judgments.queries.rows([*columns, *([self.history] if self.history else [])]):
            query_id = fill(self.query_id, row)
            if (fields := judged.pop(query_id, None)) is None:
                continue  # of another split
            earlier = [] if self.history is None else row.texts(self.history)
            query = {
                "query_id": query_id,
                "query": " ".join([*earlier, fill(self.query_text, row)]).strip(),
                **fields,
            }
            answers = [text for column in self.answers for text in texts(row, column) if text.strip()]
            yield query | ({"answers": answers} if answers else {})
        if judged:
            unknown = f"names the query {next(iter(judged))!r}, which is not in {judgments.queries.label}"
            raise DataError(judgments.table.label, None, unknown)


def _number(row: Row, column: str) -> float:
    value = row.value(column)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise row.error(f"column {column!r}: expected a number, got {value!r}") from None
