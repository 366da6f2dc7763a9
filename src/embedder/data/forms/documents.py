"""Long documents: chunks of them are queries, and earlier chunks, each with its continuation, are what is retrieved."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.id_table import RowsById
from embedder.data.jsonl import JsonLines
from embedder.errors import DataError
from embedder.texts import stretches

logger = logging.getLogger(__name__)


@checked("task.form")
@dataclass(frozen=True)
class Documents:
    """`train.jsonl` and `test.jsonl` of documents (`doc_id`, `text`), without a corpus.

    A document is cut into chunks; what is left at its end is dropped. Key `d/j` is chunk j of document d with chunk
    j + 1, its continuation. The query made of chunk i asks for chunk i + 1, its answer, and may be compared with the
    keys d/0 to d/(i - 2): their continuations end before chunk i begins.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), long-range language modelling.

    Args:
        chunk_words: Words of a chunk; 96 are about 128 tokens of English. Of scripts without spaces between words two
            letters of Chinese, three of Thai count as one.
        min_keys: The fewest keys that a query has to choose from.
        every: Distance of the training chunks of a document that become queries; neighbours resemble each other.
        test_chunks: How many chunks at the end of a test document are queries; 8 of 128 tokens are the paper's 1,024.
    """

    chunk_words: PositiveInt = 96
    min_keys: PositiveInt = 16
    every: PositiveInt = 4
    test_chunks: PositiveInt = 8

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether the rows of its queries are documents."""
        queries = [files[split] for split in ("train", "test") if split in files]
        return "corpus" not in files and any("doc_id" in JsonLines(path)[0] for path in queries)

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files by id; see `Form`."""
        splits = [split for split in ("train", "test") if split in files]
        files_before: list[RowsById] = []
        yield "corpus", (row for split in splits for row in self._keys(files[split], split, files_before))
        for split in splits:
            yield split, self._queries(files[split], split)

    def chunks(self, text: str) -> list[str]:
        """Whole chunks of a text, each with the white space before its words."""
        words = stretches(text)
        whole = len(words) // self.chunk_words * self.chunk_words
        return ["".join(words[start : start + self.chunk_words]) for start in range(0, whole, self.chunk_words)]

    def queries(self, n_chunks: int, split: str) -> range:
        """Which chunks of a document of `n_chunks` are queries: the next chunk exists, and keys to choose from."""
        first, stop = self.min_keys + 1, n_chunks - 1
        return range(first, stop, self.every) if split == "train" else range(stop - self.test_chunks, stop)

    def _is_long_enough(self, n_chunks: int, split: str) -> bool:
        queries = self.queries(n_chunks, split)
        return len(queries) > 0 and queries[0] > self.min_keys

    def _documents(self, rows: Iterable[Row], split: str) -> Iterator[tuple[int, str, list[str]]]:
        """Lines, ids and chunks of the documents that are long enough."""
        for row in rows:
            chunks = self.chunks(row.text("text"))
            if self._is_long_enough(len(chunks), split):
                yield row.line, row.text("doc_id"), chunks

    def _keys(self, path: Path, split: str, files_before: list[RowsById]) -> Rows:
        """Keys of one file, whose ids stand in no file before it; the file is then added to those."""
        documents = RowsById(path, "doc_id")
        n_long, n_all = 0, len(documents.lines)
        for line, doc_id, chunks in self._documents(_with_new_ids(documents, files_before), split):
            n_long += 1
            for number in range(len(chunks) - 1):
                text = (chunks[number] + chunks[number + 1]).strip()
                yield {"id": f"{doc_id}/{number}", "text": text, ORIGIN: (split, line)}
        files_before.append(documents)
        least = self.min_keys + 2 + (1 if split == "train" else self.test_chunks)
        if not n_long:
            raise DataError(path, None, f"no document has {least * self.chunk_words} words, which `task.form` asks for")
        if n_long < n_all:
            logger.warning(
                "%s: %d of %d documents have fewer than %d words and are left out",
                path,
                n_all - n_long,
                n_all,
                least * self.chunk_words,
            )

    def _queries(self, path: Path, split: str) -> Rows:
        for line, doc_id, chunks in self._documents(JsonLines(path).rows(), split):
            for number in self.queries(len(chunks), split):
                yield {
                    "query_id": f"{doc_id}/{number}",
                    "query": chunks[number].strip(),
                    "answers": [chunks[number + 1]],
                    "among": [f"{doc_id}/0", f"{doc_id}/{number - 2}"],
                    ORIGIN: (split, line),
                }


def _with_new_ids(documents: RowsById, files_before: Sequence[RowsById]) -> Iterator[Row]:
    for row in documents.lines.rows():
        doc_id = row.text("doc_id")
        if any(doc_id in other for other in files_before):
            raise row.error(f"doc_id {doc_id!r} is one of train.jsonl too; ids must be distinct")
        yield row
