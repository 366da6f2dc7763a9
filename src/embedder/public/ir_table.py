"""Data sets of the catalogue `ir_datasets`: BEIR, NQ and TriviaQA over passages of Wikipedia, MS MARCO and others."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zipfile import BadZipFile

from embedder.bounds import Limit
from embedder.checks import checked
from embedder.data.fields import Row
from embedder.errors import ConfigError, MissingExtraError, extra
from embedder.public.judged import Judged, Judgments
from embedder.public.source import Passages, PublicDataset
from embedder.public.table import not_loaded, rows_of

_INSTALL = extra("ir")
_FAULTS = (OSError, ValueError, RuntimeError, AssertionError, EOFError, ImportError, zlib.error, BadZipFile)
"""What the library raises where a file is out of reach, cut off, or not what it expects."""


@checked("table")
@dataclass(frozen=True)
class IrTable:
    """Documents, queries or judgments of a data set of `ir_datasets`; its fields are the columns.

    The library loads a data set when it is first read, compares it with a known digest, and keeps it in the folder
    `IR_DATASETS_HOME` (`~/.ir_datasets`).

    Args:
        id: Such as `beir/scifact/test`.
        part: docs (`doc_id`, `text`, and `title`, blank where there are none), queries (`query_id`, `text`), or qrels
            (`query_id`, `doc_id`, `relevance`).
        take: At most so many rows, from the start.
    """

    id: str
    part: Literal["docs", "queries", "qrels"]
    take: Limit | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.id} ({self.part})"

    @property
    def paths(self) -> Sequence[str]:
        """None: the library keeps them."""
        return ()

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """All rows; see `PublicTable`.

        Raises:
            MissingExtraError: The library is not installed.
            ConfigError: It knows no data set of this id that has this part.
            DataError: It cannot be loaded, has other columns or no rows.
        """
        return rows_of(self._values(), columns, self.label, self.take)

    def _values(self) -> Iterator[dict[str, Any]]:
        try:
            import ir_datasets
        except ImportError as error:
            raise MissingExtraError("ir_datasets", _INSTALL, "a data set of its catalogue") from error
        try:
            dataset = ir_datasets.load(self.id)
        except KeyError:
            dataset = None
        if dataset is None or not dataset.has(self.part):
            raise ConfigError("table.id", f"the id of a data set of ir_datasets that has {self.part}", self.id)
        try:
            for item in getattr(dataset, f"{self.part}_iter")():
                fields: dict[str, Any] = {"title": ""} if self.part == "docs" else {}
                for name, value in item._asdict().items():
                    fields[name] = list(value) if isinstance(value, tuple) else value
                yield fields
        except _FAULTS as error:
            raise not_loaded(self.label, error) from error


def ir_dataset(
    task: str,
    test: str,
    train: str | None = None,
    *,
    answers: Sequence[str] = (),
    exclude_own: bool = False,
    corpus: Passages | None = None,
) -> PublicDataset:
    """A judged data set of the catalogue.

    Args:
        task: Which task it is for.
        test: The id of its test split.
        train: That of its training split; None for none.
        answers: Fields of the queries that hold answers.
        exclude_own: Whether a query is not compared with the document of its own id, as in BEIR.
        corpus: A corpus with the same ids that others share; None takes the documents of the test split.
    """
    form = Judged(
        _judgments(test),
        None if corpus else IrTable(test, "docs"),
        train=None if train is None else _judgments(train),
        key_id="{doc_id}",
        query_id="{query_id}",
        answers=answers,
        exclude_own=exclude_own,
    )
    return PublicDataset(task, form, corpus)


def _judgments(name: str) -> Judgments:
    return Judgments(IrTable(name, "queries"), IrTable(name, "qrels"))
