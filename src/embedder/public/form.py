"""What all public forms and all published tables have in common."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from embedder.data.fields import Row
from embedder.data.forms.form import Rows

_T = TypeVar("_T")


class PublicForm(Protocol):
    """What the columns of published tables mean. Its `repr` shows its tables and settings."""

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The files of the data set as `source=corpus` reads them, streamed: stem and rows.

        Raises:
            DataError: A table has other columns, or a row is not what it should be.
        """
        ...


@runtime_checkable
class PublicTable(Protocol):
    """Rows with named columns, wherever they are published; `Table` and `IrTable`."""

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def paths(self) -> Sequence[str]:
        """The files that its settings name; those that are here count as part of the settings."""
        ...

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """All rows, streamed; `columns` must be there."""
        ...


def splits(test: _T, train: _T | None) -> dict[str, _T]:
    """By name, the splits that there are; the ids of two splits of one table may be the same numbers."""
    return {"test": test} | ({} if train is None else {"train": train})
