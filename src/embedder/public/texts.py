"""Long documents as published, one a row: PG-19, arXiv, code."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.data.forms.form import Rows
from embedder.errors import DataError
from embedder.public.form import PublicTable, splits

logger = logging.getLogger(__name__)


@checked("form")
@dataclass(frozen=True)
class Texts:
    """Documents; the task's form `Documents` cuts them into chunks.

    Args:
        test: The table.
        train: That of the training split, of which all documents are taken; None for none.
        text: Its column of texts.
        id: Its column of ids; None numbers the rows.
        words: Longer documents are cut to so many; shorter ones are skipped, and counted.
        max_documents: At most so many of the test split are taken, from the start.
    """

    test: PublicTable
    train: PublicTable | None = None
    text: str = "text"
    id: str | None = None
    words: PositiveInt = 24_576  # about 32,768 tokens
    max_documents: PositiveInt = 100

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The documents; see `PublicForm`."""
        for split, table in splits(self.test, self.train).items():
            yield split, self._documents(table, split)

    def _documents(self, table: PublicTable, split: str) -> Rows:
        taken = short = 0
        for number, row in enumerate(table.rows([self.text, *([self.id] if self.id else [])])):
            words = re.findall(r"\s*\S+", row.text(self.text))
            if len(words) < self.words:
                short += 1
                continue
            doc_id = str(number) if self.id is None else row.label(self.id)
            yield {"doc_id": doc_id if split == "test" else f"{split}-{doc_id}", "text": "".join(words[: self.words])}
            taken += 1
            if split == "test" and taken == self.max_documents:
                break
        if not taken:
            raise DataError(table.label, None, f"expected documents of {self.words} words or more, got none")
        logger.info("%s: %d documents; %d of fewer than %d words skipped", table.label, taken, short, self.words)
