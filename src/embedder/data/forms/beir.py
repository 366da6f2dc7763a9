"""BEIR form: a corpus, the queries of all splits in one file, and judgments for each split."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.forms.own_documents import OwnDocuments
from embedder.data.id_table import RowsById
from embedder.data.jsonl import JsonLines
from embedder.errors import DataError
from embedder.origins import origin

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
        is_judged = any(f"{split}_qrels" in files for split in ("train", "test"))
        return {"corpus", "queries"} <= set(files) and (is_judged or not {"train", "test"} & set(files))

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files by id; see `Form`."""
        corpus, queries = JsonLines(files["corpus"]), RowsById(files["queries"], "_id")
        paths = {split: files[f"{split}_qrels"] for split in ("train", "test") if f"{split}_qrels" in files}
        if not paths:
            raise _no_judgments(origin(files["corpus"], None)[0].parent / "qrels")
        judged = {split: _judged(path) for split, path in paths.items()}
        own = OwnDocuments({query_id for queries_of_split in judged.values() for query_id in queries_of_split})
        documents = (document(row) | {ORIGIN: ("corpus", row.line)} for row in corpus.rows())
        wanted = {
            key: (paths[split], line) for split in paths for query in judged[split].values() for key, line in query.gold
        }
        yield "corpus", _with_all(wanted, own.noted(documents))
        for split, path in paths.items():
            gold = {query_id: [key for key, _ in query.gold] for query_id, query in judged[split].items()}
            fields = own.fields(gold, str(path))
            lines = {query_id: query.line for query_id, query in judged[split].items()}
            yield split, _queries(fields, queries, path, lines)


def document(row: Row) -> dict[str, Any]:
    """The key that a row of `corpus.jsonl` is."""
    key_id, title, text = row.text("_id"), row.text("title", default="").strip(), row.text("text", default="").strip()
    return document_row(key_id, title, text)


def document_row(key_id: str, title: str, text: str) -> dict[str, Any]:
    """A key by id. Some data sets have documents without a text: its title stands for it, or else its id."""
    return {"id": key_id, "title": title, "text": text} if text else {"id": key_id, "text": title or key_id}


def _no_judgments(folder: Path) -> DataError:
    others = ", ".join(f"{folder.name}/{path.name}" for path in sorted(folder.glob("*.tsv*")))
    advice = f"; there is {others}: what is to be tested on has to be called test.tsv" if others else ""
    return DataError(folder / "test.tsv", None, f"no such file, which judges the queries of queries.jsonl{advice}")


@dataclass
class _Judged:
    """A query's first line in the judgments, and what is right for it, with the line that says so."""

    line: int
    gold: list[tuple[str, int]] = field(default_factory=list)


def _judged(path: Path) -> dict[str, _Judged]:
    """What is right for every judged query."""
    judged: dict[str, _Judged] = {}
    for line, query_id, key_id, score in judgments(path):
        query = judged.setdefault(query_id, _Judged(line))
        if score > 0:
            query.gold.append((key_id, line))
    return judged


def _with_all(wanted: dict[str, tuple[Path, int]], corpus: Rows) -> Rows:
    """The keys unchanged; an error at their end if a wanted key is not among them."""
    missing = dict(wanted)
    for row in corpus:
        missing.pop(row["id"], None)
        yield row
    for key_id, (path, line) in missing.items():
        raise DataError(path, line, f"judges the document {key_id!r}, which is not in the corpus")


def _queries(fields: Mapping[str, Mapping[str, Any]], rows: RowsById, path: Path, lines: Mapping[str, int]) -> Rows:
    role = f"{path.stem}_qrels"  # such as test.tsv
    for query_id, own in fields.items():
        try:
            row = rows[query_id]
        except KeyError:
            message = f"names the query {query_id!r}, which is not in queries.jsonl"
            raise DataError(path, lines[query_id], message) from None
        yield {"query_id": query_id, "query": row.text("text"), **own, ORIGIN: (role, lines[query_id])}


def judgments(path: Path) -> Iterator[tuple[int, str, str, float]]:
    """Line, query id, key id and score of every line below the header."""
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            try:
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(path, line, f"not UTF-8 text (byte {error.start} of the line)") from None
            cells = text.rstrip("\r\n").split("\t")
            if line == 1:
                if cells != list(_COLUMNS):
                    raise DataError(path, 1, f"expected the columns {list(_COLUMNS)}, separated by tabs, got {cells}")
                continue
            try:
                query_id, key_id, score = cells
                number = float(score)
            except ValueError:
                raise DataError(path, line, f"expected query id, document id and score, got {cells}") from None
            if not math.isfinite(number):
                raise DataError(path, line, f"expected a finite score, got {score!r}")
            yield line, query_id, key_id, number
