"""The lines of the table of a paper: a published number, ours beside it, and what ours was measured by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.published.numbers import Benchmark, Published, PublishedRow
from embedder.results.measures import is_retrieval
from embedder.results.row import Row
from embedder.results.scores import Mean, Scores
from embedder.results.titles import ALONE, TITLES

_ABOUT_THE_SAME = 0.05  # relative: published sizes of corpora are rounded
NONE = "-"
"""Stands where there is no number."""


@dataclass(frozen=True)
class Measured:
    """One part of the run.

    Args:
        rows: Of its evaluation.
        reader: Name of the LLM.
        encoder: Name of the base encoder.
    """

    rows: Sequence[Row]
    reader: str
    encoder: str


@dataclass(frozen=True)
class Line:
    """One retriever on one benchmark.

    Args:
        published: None where the paper has no such number.
        ours: None where it was not measured.
        questions: That ours is a mean over.
        keys: That were searched for them, in all data sets.
        top_k: Keys that the LLM was shown; None where it was shown none.
        reader: The LLM; None where the metric needs none.
        differs: What ours was measured by otherwise.
        unknown: What the publication does not say of its own.
    """

    benchmark: str
    metric: str
    retriever: str
    published: float | None
    ours: Mean | None = None
    questions: int | None = None
    keys: int | None = None
    top_k: int | None = None
    reader: str | None = None
    differs: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def comparable(self) -> str:
        """Whether the two numbers may be compared, and if not, why."""
        if self.ours is None:
            return NONE
        reasons = [f"no: {', '.join(self.differs)}"] if self.differs else []
        reasons += [f"not published: {', '.join(self.unknown)}"] if self.unknown else []
        return "; ".join(reasons) or ("yes" if self.published is not None else NONE)


def paper_lines(published: Published, measured: Mapping[str, Measured]) -> list[Line]:
    """The lines of the table: for each benchmark the published rows, each with ours, then rows that only we have.

    Args:
        published: The numbers of the paper.
        measured: By the name of the part; parts that were not run are not in it.
    """
    return [line for name in published.benchmarks for line in _of_benchmark(name, published, measured)]


def _of_benchmark(name: str, published: Published, measured: Mapping[str, Measured]) -> Iterator[Line]:
    benchmark = published.benchmarks[name]
    part = measured.get(benchmark.part)
    shares = sum(one.part == benchmark.part for one in published.benchmarks.values()) > 1
    rows = [] if part is None else _rows_of(benchmark, part.rows, one_of_many=shares)
    shown = set()
    for row in published.rows:
        title = TITLES[row.row] if row.row is not None else None
        value = row.values.get(name)
        own = [one for one in rows if one.retriever == title and benchmark.metric in one.per_query]
        if part is not None and own:
            shown.add(title)
            yield _line(benchmark, row.title, published, part, own, value, row)
        elif value is not None:
            yield Line(benchmark.title, benchmark.metric, row.title, value)
    for title in dict.fromkeys(one.retriever for one in rows if one.retriever not in shown):
        own = [one for one in rows if one.retriever == title and benchmark.metric in one.per_query]
        if part is not None and own:
            yield _line(benchmark, title, published, part, own, None, None)


def _rows_of(benchmark: Benchmark, rows: Sequence[Row], *, one_of_many: bool) -> list[Row]:
    """Those of its data sets; all of the part if it has none of their names, as in a rehearsal on other data.

    Args:
        benchmark: The column.
        rows: Of the part.
        one_of_many: Whether other columns are of this part, so that one data set must not stand for another.
    """
    names = benchmark.datasets
    own = [row for row in rows if names is None or row.dataset in names]
    return own if own or (one_of_many and names is not None and len(names) == 1) else list(rows)


def _line(
    benchmark: Benchmark,
    title: str,
    published: Published,
    part: Measured,
    rows: Sequence[Row],
    value: float | None,
    beside: PublishedRow | None,
) -> Line:
    questions = sum(len(row.per_query[benchmark.metric]) for row in rows)
    keys = sum(row.protocol["keys"] for row in rows)
    reads = not is_retrieval(benchmark.metric)
    ours = TITLES[beside.row] if beside is not None and beside.row is not None else ""
    alone = rows[0].retriever == ALONE
    top_k = _top_k(rows[0].protocol["consumer"]) if reads and not alone else None
    names = [row.dataset for row in rows]
    differs = (
        []
        if value is None
        else [
            *(
                [f"data sets ({', '.join(names)})"]
                if benchmark.datasets and set(names) != set(benchmark.datasets)
                else []
            ),
            *_unlike("questions", questions, benchmark.questions),
            *([] if alone else _unlike("keys", keys, benchmark.keys, _ABOUT_THE_SAME)),
            *_unlike("k", top_k, benchmark.top_k if top_k is not None else None),
            *(["LLM"] if reads and not _named(published.reader, part.reader) else []),
            *(
                ["encoder"]
                if beside is not None and beside.encoder and not _named(beside.encoder, part.encoder)
                else []
            ),
            *(["parts"] if benchmark.counts_parts and not all(map(_has_parts, rows)) else []),
            *(["see below"] if benchmark.known_difference is not None else []),
        ]
    )
    unknown = (
        []
        if value is None
        else [
            *(["questions"] if benchmark.questions is None else []),
            *(["keys"] if benchmark.keys is None and not alone else []),
        ]
    )
    return Line(
        benchmark.title,
        benchmark.metric,
        title if ours in ("", title) else f"{title} / {ours}",
        value,
        _mean(benchmark, rows),
        questions,
        None if alone else keys,
        top_k,
        part.reader if reads else None,
        tuple(differs),
        tuple(unknown),
    )


def _mean(benchmark: Benchmark, rows: Sequence[Row]) -> Mean | None:
    if benchmark.counts_parts and all(_has_parts(row) for row in rows):
        scores = Scores(rows)
        rows = [part for row in rows for part in scores.parts(row.of, row.macro).rows]
    scores = Scores(rows)
    return scores.mean(benchmark.metric, rows[0].retriever, scores.datasets())


def _has_parts(row: Row) -> bool:
    return bool(row.macro) and row.macro[0] in row.parts


def _unlike(name: str, ours: int | None, theirs: int | None, share: float = 0.0) -> list[str]:
    if ours is None or theirs is None or abs(ours - theirs) <= share * theirs:
        return []
    return [f"{name} ({theirs:,})"]


def _named(theirs: str | None, ours: str) -> bool:
    return theirs is not None and theirs.lower() in ours.lower()


def _top_k(consumer: Any) -> int | None:
    """The setting of a consumer, or of the first of those that it is made of."""
    if not isinstance(consumer, Mapping):
        return None
    if isinstance(own := consumer.get("top_k"), int):
        return own
    return next((found for part in consumer.values() if (found := _top_k(part)) is not None), None)
