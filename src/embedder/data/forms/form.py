"""What every form has in common: the files it is known by, and the rows that are made of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

Rows = Iterator[dict[str, Any]]

ORIGIN = ":origin"
"""Field of a converted row that is not written: the role of the file that it was made of, and the line there."""


class Conversion(Protocol):
    """Makes files by id of others: a dataclass of settings.

    What is converted is kept in a folder named by its class and its fields (`identity`).
    """

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files of the data set by id, streamed: `corpus`, and what there is of `train` and `test`.

        Each is read to its end before the next begins. The field `ORIGIN` of a row says where it comes from.

        Raises:
            DataError: A row is not what it should be, with its file and line.
        """


class Form(Conversion, Protocol):
    """How the data sets of a task lie on disk, where that is not by id."""

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether a data set with these files is of this form; if it is not, it is read as a data set by id.

        Args:
            files: What there is of `corpus`, `histories`, `train`, `test`, `queries`, `train_qrels` and `test_qrels`.
        """
