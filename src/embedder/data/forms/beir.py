"""BEIR form: a corpus, the queries of all splits in one file, and judgments for each split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import Rows
from embedder.data.forms.own_documents import OwnDocuments
from embedder.data.id_table import IdTable
from embedder.data.jsonl import JsonLines
from embedder.errors import DataError

_COLUMNS = ("query-id", "corpus-id", "score")


@dataclass(frozen=True)
class Beir:
    """`corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and `qrels/test.tsv`.

    The queries of a split are those with a judgment in it. What is judged above 0 becomes `pos`: our metrics know gold
    or not gold, so that scores on data sets with graded judgments are not those of the BEIR paper. A query is not
    compared with the document of its own id.

    Source: Thakur et al., NeurIPS Datasets and Benchmarks 2021 (arXiv 2104.08663).
    """

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether there are queries and judgments apart."""
        return {"corpus", "queries", "test_qrels"} <= set(files)

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files by id; see `Form`."""
        corpus, queries = JsonLines(files["corpus"]), _Texts(files["queries"])
        paths = {split: files[f"{split}_qrels"] for split in ("train", "test") if f"{split}_qrels" in files}
        gold = {split: _gold(path) for split, path in paths.items()}
        own = OwnDocuments({query_id for some in gold.values() for query_id in some})
        documents = (document(Row(values, corpus.path, line)) for line, values in enumerate(corpus, 1))
        yield "corpus", own.noted(documents)
        for split, path in paths.items():
            yield split, _queries(own.fields(gold[split], str(path)), queries, path)


def document(row: Row) -> dict[str, str]:
    """A key by id. Some data sets have documents without a text: its title stands for it, or else its id."""
    key_id, title = row.text("_id"), row.text("title", default="")
    return {"id": key_id, "title": title, "text": row.text("text", default="").strip() or title.strip() or key_id}


class _Texts:
    """Queries by id; none of them is held in memory."""

    def __init__(self, path: Path) -> None:
        self._rows = JsonLines(path)
        self._table = IdTable((self._id(n) for n in range(len(self._rows))), len(self._rows), self._id, path)

    def __getitem__(self, query_id: str) -> str:
        return self._row(self._table.row(query_id)).text("text")

    def _row(self, number: int) -> Row:
        return Row(self._rows[number], self._rows.path, number + 1)

    def _id(self, number: int) -> str:
        return self._row(number).text("_id")


def _gold(path: Path) -> dict[str, list[str]]:
    """What is right for every judged query."""
    gold: dict[str, list[str]] = {}
    for query_id, key_id, score in judgments(path):
        gold.setdefault(query_id, []).extend([key_id] if score > 0 else [])
    return gold


def _queries(fields: Mapping[str, Mapping[str, Any]], texts: _Texts, path: Path) -> Rows:
    for query_id, own in fields.items():
        try:
            text = texts[query_id]
        except KeyError:
            raise DataError(path, None, f"names the query {query_id!r}, which is not in queries.jsonl") from None
        yield {"query_id": query_id, "query": text, **own}


def judgments(path: Path) -> Iterator[tuple[str, str, float]]:
    """Query id, key id and score of every line below the header."""
    with path.open(encoding="utf-8") as file:
        for line, text in enumerate(file, 1):
            cells = text.rstrip("\r\n").split("\t")
            if line == 1:
                if cells != list(_COLUMNS):
                    raise DataError(path, 1, f"expected the columns {list(_COLUMNS)}, separated by tabs, got {cells}")
                continue
            try:
                query_id, key_id, score = cells
                yield query_id, key_id, float(score)
            except ValueError:
                raise DataError(path, line, f"expected query id, document id and score, got {cells}") from None
