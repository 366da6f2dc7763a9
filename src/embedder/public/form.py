"""What every public form has in common."""

from collections.abc import Iterator
from typing import Protocol

from embedder.data.forms.form import Rows


class PublicForm(Protocol):
    """What the columns of published tables mean. Its `repr` tells its tables and settings."""

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The files of the data set as `source=corpus` reads them, streamed: stem and rows.

        Raises:
            DataError: A table has other columns, or a row is not what it should be.
        """
        ...
