"""The lines of the table of a paper: a published number, ours beside it, and what ours was measured by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embedder.published.numbers import Benchmark, Published, PublishedRow
from embedder.results.measures import is_retrieval
from embedder.results.row import Row
from embedder.results.scores import Mean, Scores
from embedder.results.table import NONE, count_cell
from embedder.results.titles import ALONE, TITLES

_ABOUT_THE_SAME = 0.05  # relative: published sizes of corpora are rounded


@dataclass(frozen=True)
class Measured:
    """One part of the run.

    Args:
        rows: Of its evaluation.
        reader: Name of the LLM.
        encoder: Name of the base encoder.
        trained: Name of the encoder that the checkpoint was trained from; None where that is not known.
    """

    rows: Sequence[Row]
    reader: str
    encoder: str
    trained: str | None = None


@dataclass(frozen=True)
class Line:
    """One retriever on one benchmark.

    Args:
        published: None where the paper has no such number.
        ours: None where it was not measured.
        questions: That ours is a mean over.
        keys: Of the corpus, of several the largest; None for the LLM alone.
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
    who, reads = rows[0].retriever, not is_retrieval(benchmark.metric)
    line = Line(
        benchmark.title,
        benchmark.metric,
        title if title == who else f"{title} / {who}",
        value,
        _mean(benchmark, rows),
        questions=sum(len(row.per_query[benchmark.metric]) for row in rows),
        keys=None if who == ALONE else max(row.protocol["keys"] for row in rows),
        top_k=_top_k(rows[0].protocol["consumer"]) if reads and who != ALONE else None,
        reader=part.reader if reads else None,
    )
    if value is None or beside is None:
        return line
    names = [row.dataset for row in rows]
    encoder = part.trained if beside.row == "trained" else part.encoder
    differs = {
        f"data sets ({', '.join(names)})": benchmark.datasets is not None and set(names) != set(benchmark.datasets),
        f"questions ({count_cell(benchmark.questions)})": _unlike(line.questions, benchmark.questions),
        f"keys ({count_cell(benchmark.keys)})": _unlike(line.keys, benchmark.keys, _ABOUT_THE_SAME),
        f"shown ({count_cell(benchmark.top_k)})": _unlike(line.top_k, benchmark.top_k),
        "LLM": reads and not _named(published.reader, part.reader),
        "encoder": beside.encoder is not None and not _named(beside.encoder, encoder),
        "parts": benchmark.counts_parts and not all(map(_has_parts, rows)),
        "see below": benchmark.known_difference is not None,
    }
    unknown = {
        "questions": benchmark.questions is None,
        "keys": benchmark.keys is None and line.keys is not None,
    }
    return replace(line, differs=_those(differs), unknown=_those(unknown))


def _mean(benchmark: Benchmark, rows: Sequence[Row]) -> Mean | None:
    if benchmark.counts_parts and all(_has_parts(row) for row in rows):
        scores = Scores(rows)
        rows = [part for row in rows for part in scores.parts(row.of, row.macro).rows]
    scores = Scores(rows)
    return scores.mean(benchmark.metric, rows[0].retriever, scores.datasets())


def _has_parts(row: Row) -> bool:
    return bool(row.macro) and row.macro[0] in row.parts


def _those(reasons: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(reason for reason, holds in reasons.items() if holds)


def _unlike(ours: int | None, theirs: int | None, share: float = 0.0) -> bool:
    """Whether two numbers that are both known are further apart than a share of the second."""
    return ours is not None and theirs is not None and abs(ours - theirs) > share * theirs


def _named(theirs: str | None, ours: str | None) -> bool:
    return theirs is not None and ours is not None and ours.rpartition("/")[2].lower() == theirs.lower()


def _top_k(consumer: Any) -> int | None:
    """The setting of a consumer, or of the first of those that it is made of."""
    if not isinstance(consumer, Mapping):
        return None
    if isinstance(own := consumer.get("top_k"), int):
        return own
    return next((found for part in consumer.values() if (found := _top_k(part)) is not None), None)
