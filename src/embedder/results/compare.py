"""Two evaluations query by query: where B is better than A, by how much, and how sure that is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from embedder.errors import ConfigError
from embedder.metrics.sample_size import questions_needed
from embedder.results.changes import Changes, changes_of, read_texts
from embedder.results.columns import resample_metrics
from embedder.results.comparison import CompareSettings, Comparison, Line, PairComparison
from embedder.results.measures import BINARY, cutoffs_of, is_given, main_metrics, shown_metrics
from embedder.results.protocols import check_comparable, differing_versions
from embedder.results.resampling import Column
from embedder.results.results import Results
from embedder.results.row import Row, split
from embedder.results.statistics import Difference, holm, macro_difference, nested_weights, paired_difference

_FEW = 20
"""Queries below which a bootstrap interval is too narrow to trust."""


_Raw = tuple[str, str, Difference, int | None]
"""Scope, metric, difference and questions needed of a line."""


@dataclass
class _Found:
    """What is collected for one pair of retrievers before p-values are corrected."""

    columns: dict[tuple[str, str, str], tuple[Column, Column]] = field(default_factory=dict)  # (task, data set, metric)
    by_parts: list[_Raw] = field(default_factory=list)
    changes: list[Changes] = field(default_factory=list)


def compare(a: Results, b: Results, pairs: Sequence[tuple[str, str]], settings: CompareSettings) -> Comparison:
    """Compare retrievers of A with retrievers of B on every data set that both have.

    P-values are corrected over all data sets, metrics and pairs, and apart from them over all means.

    Args:
        a: One evaluation.
        b: The other, or the same.
        pairs: Titles of a row of A and a row of B.
        settings: What is compared.

    Raises:
        ProtocolError: Rows of a data set were measured in different ways.
        ConfigError: The two share no data set, or not the metrics that were asked for.
    """
    warnings = _about_runs(a, b)
    _check_metrics(a, settings)
    all_matched = {pair: _matched(a, b, *pair, settings) for pair in pairs}
    pairs = [pair for pair, rows in all_matched.items() if rows]
    if not pairs:
        raise ConfigError("runs", "a data set and a metric that both have", f"A: {_contents(a)}; B: {_contents(b)}")
    if without := [f"{one} in A and {other} in B" for (one, other), rows in all_matched.items() if not rows]:
        warnings.append(f"no data set with a metric in common, not compared: {'; '.join(without)}")
    matched = [all_matched[pair] for pair in pairs]
    found = [_Found() for _ in pairs]
    for task, dataset in dict.fromkeys(place for rows in matched for place in rows):
        columns = _resampled(task, dataset, matched, settings)
        for (title_a, title_b), rows, into in zip(pairs, matched, found, strict=True):
            if (task, dataset) not in rows:
                continue
            row_a, row_b, metrics = rows[task, dataset]
            for metric in metrics:
                both = columns["A", title_a, metric], columns["B", title_b, metric]
                into.columns[task, dataset, metric] = both
            into.by_parts += _part_lines(row_a, row_b, metrics, settings)
            for metric in _listed(row_a, row_b, metrics, settings):
                into.changes.append(changes_of(row_a, row_b, metric))
    raw_datasets = [list(_dataset_lines(some.columns)) for some in found]
    raw_means = [[*some.by_parts, *_mean_lines(some.columns)] for some in found]
    corrected = zip(pairs, _corrected(raw_datasets), _corrected(raw_means), found, strict=True)
    done = tuple(
        PairComparison(*pair, datasets, means, tuple(some.changes)) for pair, datasets, means, some in corrected
    )
    few = sorted({line.scope for pair in done for line in pair.datasets if line.difference.n < _FEW})
    if few:
        warnings.append(f"fewer than {_FEW} queries in {', '.join(few)}: intervals there are too narrow")
    in_a = {at for pair in done for each in pair.changes for at in each.addresses(pair.a, settings.max_shown)}
    in_b = {at for pair in done for each in pair.changes for at in each.addresses(pair.b, settings.max_shown)}
    texts, missing = read_texts((a.folder, b.folder), (in_a, in_b))
    return Comparison(a, b, done, (*warnings, *missing), settings, texts)


def _about_runs(a: Results, b: Results) -> list[str]:
    if a is b:
        return []
    warnings = []
    if versions := differing_versions(a, b):
        told = ", ".join(f"{name.removeprefix('environment.')} {one} and {other}" for name, one, other in versions)
        warnings.append(f"made on different machines or versions, which can move the last digits: {told}")
    for mine, other, name in ((a, b, "A"), (b, a, "B")):
        if only := [f"{task}/{dataset}" for task, dataset in mine.datasets if (task, dataset) not in other.datasets]:
            warnings.append(f"only in {name}, not compared: {', '.join(only)}")
    return warnings


def _matched(
    a: Results, b: Results, title_a: str, title_b: str, settings: CompareSettings
) -> dict[tuple[str, str], tuple[Row, Row, list[str]]]:
    """Both rows and the metrics to compare, for each data set that has both."""
    rows = {}
    for task, dataset in a.datasets:
        one, other = a.row(task, dataset, title_a), b.row(task, dataset, title_b)
        if one is None or other is None:
            continue
        shared = [metric for metric in one.per_query if metric in other.per_query]
        shared = [metric for metric in shared if not (is_given(metric, title_a) or is_given(metric, title_b))]
        if "log_likelihood" in shared and settings.metrics is None:
            shared = [metric for metric in shared if metric != "gain"]  # its differences are those of log_likelihood
        metrics = (
            [m for m in settings.metrics if m in shared]
            if settings.metrics
            else shown_metrics(shared, cutoffs_of(shared))
        )
        if metrics:
            check_comparable(one, other, [*metrics, *_listed(one, other, metrics, settings)], (a, b))
            rows[task, dataset] = (one, other, metrics)
    return rows


def _listed(a: Row, b: Row, metrics: Sequence[str], settings: CompareSettings) -> list[str]:
    """The metrics whose changes are listed, of those that both rows have: some data sets have labels, some answers."""
    if settings.by is None:
        return main_metrics(metrics)
    return [metric for metric in settings.by if metric in a.per_query and metric in b.per_query]


def _check_metrics(results: Results, settings: CompareSettings) -> None:
    known = list(dict.fromkeys(metric for row in results.rows for metric in row.per_query))
    for setting in ("metrics", "by"):
        if wrong := [metric for metric in getattr(settings, setting) or () if metric not in known]:
            raise ConfigError(f"compare.{setting}", f"metrics among {known}", wrong[0])


def _contents(results: Results) -> str:
    named = [f"{task}/{dataset}" for task, dataset in results.datasets]
    return f"{', '.join(named)} with the rows {', '.join(results.retrievers)}"


def _resampled(
    task: str,
    dataset: str,
    matched: Sequence[Mapping[tuple[str, str], tuple[Row, Row, list[str]]]],
    settings: CompareSettings,
) -> dict[tuple[str, str, str], Column]:
    values = {
        (side, row.retriever, metric): row.per_query[metric]
        for rows in matched
        if (task, dataset) in rows
        for side, row in zip("AB", rows[task, dataset][:2], strict=True)
        for metric in rows[task, dataset][2]
    }
    return resample_metrics(values, settings.sampling, task, dataset)


def _dataset_lines(
    columns: Mapping[tuple[str, str, str], tuple[Column, Column]],
) -> Iterator[_Raw]:
    for (task, dataset, metric), (a, b) in columns.items():
        found = paired_difference(a, b)
        needed = questions_needed(found.rose / found.n, found.fell / found.n) if metric in BINARY else None
        yield f"{task}/{dataset}", metric, found, needed


def _part_lines(a: Row, b: Row, metrics: Sequence[str], settings: CompareSettings) -> Iterator[_Raw]:
    """The mean that counts the parts of a data set the same, where a benchmark has one."""
    if not a.macro or a.macro[0] not in a.parts or a.parts != b.parts:
        return
    by_metric: dict[str, dict[tuple[str, str], tuple[Column, Column]]] = {}
    for one, other in zip(split(a, a.macro), split(b, b.macro), strict=True):
        shown = [metric for metric in metrics if metric in one.per_query and metric in other.per_query]
        values = {(side, m): row.per_query[m] for side, row in (("A", one), ("B", other)) for m in shown}
        columns = resample_metrics(values, settings.sampling, one.task, one.dataset)
        for metric in shown:
            by_metric.setdefault(metric, {})[one.task, one.dataset] = columns["A", metric], columns["B", metric]
    for metric, pairs in by_metric.items():
        found = macro_difference(list(pairs.values()), nested_weights(list(pairs)))
        yield f"{a.task}/{a.dataset}, mean by {' and '.join(a.macro)}", metric, found, None


def _mean_lines(
    columns: Mapping[tuple[str, str, str], tuple[Column, Column]],
) -> Iterator[_Raw]:
    """The mean over the data sets of each task, then the mean over tasks, of each metric that several have."""
    by_metric: dict[str, dict[str, list[tuple[Column, Column]]]] = {}
    for (task, _, metric), pair in columns.items():
        by_metric.setdefault(metric, {}).setdefault(task, []).append(pair)
    for metric, tasks in by_metric.items():
        for task, pairs in tasks.items():
            if len(pairs) > 1:
                yield f"{task}, mean of {len(pairs)}", metric, macro_difference(pairs), None
    for metric, tasks in by_metric.items():
        if len(tasks) > 1:
            weights = nested_weights([(task, str(n)) for task, pairs in tasks.items() for n in range(len(pairs))])
            flat = [pair for pairs in tasks.values() for pair in pairs]
            yield f"mean of {len(tasks)} tasks", metric, macro_difference(flat, weights), None


def _corrected(raw: Sequence[Sequence[_Raw]]) -> Iterator[tuple[Line, ...]]:
    p_values = iter(holm([found.p for lines in raw for _, _, found, _ in lines]))
    for lines in raw:
        yield tuple(Line(scope, metric, found, next(p_values), needed) for scope, metric, found, needed in lines)
