"""Two evaluations query by query: where B is better than A, by how much, and how sure that is."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from embedder.bounds import NonNegativeInt, Seed
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.results.answers import Address, Answered
from embedder.results.changed_queries import ChangedQueries, read_texts
from embedder.results.common_rows import CommonRows
from embedder.results.protocols import differing_versions
from embedder.results.resampling import Resamples, Sampling
from embedder.results.row import Row, RowName
from embedder.results.scores import Scores
from embedder.results.scores_file import Results
from embedder.results.verdict import Verdict, corrected

_FEW = 20
"""Queries below which a bootstrap interval is too narrow to trust."""


@checked("compare")
@dataclass(frozen=True)
class CompareSettings:
    """How two evaluations are compared.

    Args:
        metrics: Which; None for those of the table. Fewer comparisons need less correction.
        by: Metrics whose changes are listed query by query; None for one of the ranking and one of the answers.
        max_shown: Queries listed in each direction for each data set and metric.
        resamples: Of the bootstrap and of the paired test.
        seed: Of both.
    """

    metrics: Sequence[str] | None = None
    by: Sequence[str] | None = None
    max_shown: NonNegativeInt = 10
    resamples: Resamples = 10_000
    seed: Seed = 0

    def __post_init__(self) -> None:
        for setting in ("metrics", "by"):
            if getattr(self, setting) is not None and not getattr(self, setting):
                raise ConfigError(f"compare.{setting}", "a list of metrics such as [ndcg@10, em], or null", [])

    @property
    def sampling(self) -> Sampling:
        """How resamples are drawn."""
        return Sampling(self.resamples, self.seed)


@dataclass(frozen=True)
class PairComparison:
    """One retriever of A against one of B."""

    a: str
    b: str
    datasets: tuple[Verdict, ...]
    means: tuple[Verdict, ...]
    changes: tuple[ChangedQueries, ...]


@dataclass(frozen=True)
class Comparison:
    """All pairs, with what a reader must know about them."""

    a: Results
    b: Results
    pairs: tuple[PairComparison, ...]
    warnings: tuple[str, ...]
    settings: CompareSettings
    texts: tuple[Mapping[Address, Answered], Mapping[Address, Answered]]
    """Of the queries that are shown, in A and in B."""

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values; null where a value is not known."""
        return {
            "format": 1,
            "a": str(self.a.folder),
            "b": str(self.b.folder),
            "settings": asdict(self.settings),
            "warnings": list(self.warnings),
            "pairs": [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "datasets": [verdict.as_json() for verdict in pair.datasets],
                    "means": [verdict.as_json() for verdict in pair.means],
                    "changes": [each.as_json(pair.a, pair.b, self.texts) for each in pair.changes],
                }
                for pair in self.pairs
            ],
        }


def compare(a: Results, b: Results, pairs: Sequence[tuple[str, str]], settings: CompareSettings) -> Comparison:
    """Compare retrievers of A with retrievers of B, by pairs of titles, on every data set that both have.

    P-values are corrected over all data sets, metrics and pairs, and separately over all means. A and B may be one.

    Raises:
        ProtocolError: Rows of a data set were measured in different ways.
        ConfigError: The two share no data set, or not the metrics that are set.
    """
    warnings = _about_runs(a, b)
    check_metrics(a, metrics=settings.metrics, by=settings.by)
    all_pairs = [CommonRows.of(a, b, titles, settings.metrics, settings.by) for titles in pairs]
    usable = [pair for pair in all_pairs if pair.datasets]
    if not usable:
        raise ConfigError("runs", "a data set and a metric that both have", f"A: {_contents(a)}; B: {_contents(b)}")
    if without := [f"{pair.a} in A and {pair.b} in B" for pair in all_pairs if not pair.datasets]:
        warnings.append(f"no data set with a metric in common, not compared: {'; '.join(without)}")
    scores = Scores(_joined(row for pair in usable for row in pair.rows()), settings.sampling, every_metric=True)
    datasets = _corrected([pair.verdicts(scores) for pair in usable])
    means = _corrected([pair.verdicts_of_means(scores) for pair in usable])
    found = tuple(
        PairComparison(pair.a, pair.b, of_datasets, of_means, tuple(pair.changes()))
        for pair, of_datasets, of_means in zip(usable, datasets, means, strict=True)
    )
    few = sorted({verdict.scope for pair in found for verdict in pair.datasets if verdict.difference.n < _FEW})
    if few:
        warnings.append(f"fewer than {_FEW} queries in {', '.join(few)}: intervals there are too narrow")
    in_a = {at for pair in found for each in pair.changes for at in each.addresses(pair.a, settings.max_shown)}
    in_b = {at for pair in found for each in pair.changes for at in each.addresses(pair.b, settings.max_shown)}
    texts, missing = read_texts((a.folder, b.folder), (in_a, in_b))
    return Comparison(a, b, found, (*warnings, *missing), settings, texts)


def _about_runs(a: Results, b: Results) -> list[str]:
    if a is b:
        return []
    warnings = []
    if versions := differing_versions(a, b):
        named = [f"{name.removeprefix('environment.')} {in_a} and {in_b}" for name, in_a, in_b in versions]
        warnings.append(f"made on different machines or versions, which can move the last digits: {', '.join(named)}")
    for mine, other, name in ((a, b, "A"), (b, a, "B")):
        if only := ["/".join(name) for name in mine.scores.datasets() if name not in other.scores.datasets()]:
            warnings.append(f"only in {name}, not compared: {', '.join(only)}")
    return warnings


def check_metrics(results: Results, **wanted: Sequence[str] | None) -> None:
    """Refuse metrics that an evaluation does not have.

    Args:
        results: The evaluation.
        wanted: The metrics of each setting in `compare`; None for the usual ones.

    Raises:
        ConfigError: The first that it lacks.
    """
    known = list(dict.fromkeys(metric for row in results.rows for metric in row.per_query))
    for setting, metrics in wanted.items():
        if wrong := [metric for metric in metrics or () if metric not in known]:
            raise ConfigError(f"compare.{setting}", f"metrics among {known}", wrong[0])


def _contents(results: Results) -> str:
    named = ["/".join(name) for name in results.scores.datasets()]
    return f"{', '.join(named)} with the rows {', '.join(results.scores.retrievers)}"


def _joined(rows: Iterable[Row]) -> list[Row]:
    """Each row once, with the metrics of all pairs that it is in."""
    found: dict[RowName, Row] = {}
    for row in rows:
        others = found[row.name].per_query if row.name in found else {}
        found[row.name] = replace(row, per_query=others | row.per_query)
    return list(found.values())


def _corrected(verdicts: Sequence[Sequence[Verdict]]) -> Iterator[tuple[Verdict, ...]]:
    """Of each pair, corrected over all of them."""
    flat = iter(corrected([verdict for of_pair in verdicts for verdict in of_pair]))
    for of_pair in verdicts:
        yield tuple(itertools.islice(flat, len(of_pair)))
