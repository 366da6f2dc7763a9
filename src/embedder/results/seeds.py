"""Groups of evaluations that differ in the seed of training: means over seeds, their spread, paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean, stdev
from typing import Any

import numpy as np

from embedder.errors import ConfigError
from embedder.results.comparison import check_metrics
from embedder.results.measures import EXPONENTIAL, averaged, main_metrics
from embedder.results.protocols import check_comparable
from embedder.results.resampling import TOLERANCE, Floats
from embedder.results.row import DatasetName, Row
from embedder.results.scores_file import Results
from embedder.results.statistics import LEVEL, Difference, Interval, mcnemar, nested_weights
from embedder.results.verdict import Verdict, corrected

Group = Mapping[str, Results]
"""Seed -> the evaluation of the model that was trained with it."""
_LEAST_P = 1e-12  # smaller p-values are this one


@dataclass(frozen=True)
class GroupScore:
    """A group by one metric.

    Args:
        scope: `qa/nq`, or what the mean is of.
        by_seed: The metric of each seed.
        verdict: Against the baseline; None for the baseline itself. Differences of perplexity are nats a token.
    """

    group: str
    scope: str
    metric: str
    by_seed: Mapping[str, float]
    verdict: Verdict | None

    @property
    def mean(self) -> float:
        """Over seeds."""
        return fmean(self.by_seed.values())

    @property
    def spread(self) -> float:
        """The standard deviation over seeds."""
        return stdev(self.by_seed.values())

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        about = {name: getattr(self, name) for name in ("group", "scope", "metric", "by_seed", "mean", "spread")}
        return about | {"against_baseline": None if self.verdict is None else self.verdict.as_json()}


def crossed_difference(pairs: Sequence[tuple[Floats, Floats]], weights: Sequence[float]) -> Difference:
    """B against A on the mean over data sets, where each of several seeds gives a value for each query.

    The interval says how the difference would vary with other queries and with other seeds: seeds are to queries what
    readers are to cases, each of which all of them judge.

        d[s, q] = b[s, q] - a[s, q],  m_s = sum_d w_d mean_q d[s, q]
        seeds = var(m_s) / S,  queries = sum_d w_d^2 max(0, MSQ_d - MSSQ_d) / (S n_d)
        half width = sqrt(t^2 seeds + z^2 queries)

    with the mean squares of queries and of what seeds and queries do together, Student's t of S - 1 degrees of freedom
    and the normal z. With equal seeds that is the interval over queries; with equal queries, Student's over seeds. It
    holds the truth in 95 to 98 of 100 simulated comparisons of three seeds; one set of degrees of freedom for both
    (Satterthwaite, Hillis) held it in 92 to 95.

    Where all queries change alike in all seeds there is no spread to compute an interval from; p is then that of the
    exact sign test over queries (`mcnemar`).

    Source: Obuchowski & Rockette, Communications in Statistics 1995 (mean squares); Zou & Donner, Statistics in
    Medicine 2008 (half widths add in squares).

    Args:
        pairs: Of each data set the values of A and of B, each [S, n]; a row is a seed, the same one in all of them.
        weights: One for each data set, with the sum 1.

    Raises:
        ValueError: There are fewer than two seeds.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm, t

    changes = [b - a for a, b in pairs]  # each [S, n]
    n_seeds = len(changes[0])
    if n_seeds < 2:
        raise ValueError("what seeds do cannot be told from one")
    of_seeds = np.dot(weights, [change.mean(axis=1) for change in changes])  # [S]
    over_seeds = float(of_seeds.var(ddof=1)) / n_seeds
    over_queries = sum(w**2 * _of_queries(change) for w, change in zip(weights, changes, strict=True))
    observed = float(of_seeds.mean())
    mean_a, mean_b = (float(np.dot(weights, [pair[side].mean() for pair in pairs])) for side in (0, 1))
    by_query = np.concatenate([change.mean(axis=0) for change in changes])
    rose, fell = int((by_query > TOLERANCE).sum()), int((by_query < -TOLERANCE).sum())
    if over_seeds + over_queries <= TOLERANCE**2:  # equal differences have no spread: their signs alone say something
        sign_p = mcnemar(rose, fell)
        return Difference(len(by_query), mean_a, mean_b, observed, Interval(np.nan, np.nan), sign_p, rose, fell)

    def width(p: float) -> float:
        return float(np.sqrt(t.isf(p / 2, n_seeds - 1) ** 2 * over_seeds + norm.isf(p / 2) ** 2 * over_queries))

    p = _LEAST_P if width(_LEAST_P) < abs(observed) else brentq(lambda p: width(p) - abs(observed), _LEAST_P, 1.0)
    interval = Interval(observed - width(1 - LEVEL), observed + width(1 - LEVEL))
    return Difference(len(by_query), mean_a, mean_b, observed, interval, float(p), rose, fell)


def _of_queries(change: Floats) -> float:
    """The variance of a mean over queries that all seeds share, beyond what seeds and queries do together."""
    n_seeds, n = len(change), len(change[0])
    if n < 2:
        return 0.0
    by_query = change.mean(axis=0)  # [n]
    rest = change - by_query - change.mean(axis=1, keepdims=True) + change.mean()
    together = float((rest**2).sum()) / ((n_seeds - 1) * (n - 1))
    shared = n_seeds * float(by_query.var(ddof=1)) - together
    return max(0.0, shared) / (n_seeds * n)


def compare_groups(
    groups: Mapping[str, Group], baseline: str, title: str, metrics: Sequence[str] | None = None
) -> list[GroupScore]:
    """Every group against the baseline, on every data set that all have and on the means over them.

    P-values are corrected over all groups, data sets and metrics, and separately over all means.

    Args:
        groups: By name; each has the same two or more seeds.
        baseline: The name of the one that the others are compared with.
        title: Of the row that is compared.
        metrics: Which; None for nDCG, one metric of the LLM's outputs and its log-likelihood.

    Raises:
        ConfigError: There is nothing to compare, seeds are missing, or the baseline does not have the metrics.
        ProtocolError: Rows of a data set were measured in different ways.
    """
    seeds = _seeds(groups)
    check_metrics(groups[baseline][seeds[0]], metrics=metrics)
    rows = {name: [_rows(group[seed], title) for seed in seeds] for name, group in groups.items()}
    common = [of for of in rows[baseline][0] if all(of in run for runs in rows.values() for run in runs)]
    if not common:
        raise ConfigError("runs", f"a data set on which every run has the row {title!r}", list(groups))
    scopes: dict[tuple[str, str], list[DatasetName]] = {}
    for of in common:
        first = rows[baseline][0][of]
        known = [m for m in first.per_query if all(m in run[of].per_query for runs in rows.values() for run in runs)]
        wanted = metrics or dict.fromkeys([*main_metrics(known), "log_likelihood"])
        for metric in (one for one in wanted if one in known):
            for run in (run for runs in rows.values() for run in runs):
                check_comparable(first, run[of], [metric])
            scopes["/".join(of), metric] = [of]
            scopes.setdefault(("mean", metric), []).append(of)
    if not scopes:
        raise ConfigError("compare.metrics", "metrics that every run has", list(metrics or ()))
    means = {(f"mean of {len(of)}", name[1]): of for name, of in scopes.items() if name[0] == "mean" and len(of) > 1}
    parts = {name: of for name, of in scopes.items() if name[0] != "mean"}
    return [*_scored(rows, baseline, seeds, parts), *_scored(rows, baseline, seeds, means)]


def _scored(
    rows: Mapping[str, Sequence[Mapping[DatasetName, Row]]],
    baseline: str,
    seeds: Sequence[str],
    scopes: Mapping[tuple[str, str], Sequence[DatasetName]],
) -> list[GroupScore]:
    """All groups by each metric, their p-values corrected together."""
    found: list[GroupScore] = []
    for (scope, metric), names in scopes.items():
        values = {
            group: [np.array([_values(run[of], metric) for run in runs]) for of in names]
            for group, runs in rows.items()
        }  # of each data set [S, n]
        weights = nested_weights(list(names))
        for group, own in values.items():
            means = np.dot(weights, [of.mean(axis=1) for of in own])  # [S]
            by_seed = {s: exp(m) if metric in EXPONENTIAL else float(m) for s, m in zip(seeds, means, strict=True)}
            verdict = None
            if group != baseline:
                found_difference = crossed_difference(list(zip(values[baseline], own, strict=True)), weights)
                verdict = Verdict(baseline, group, scope, metric, found_difference, found_difference.p)
            found.append(GroupScore(group, scope, metric, by_seed, verdict))
    verdicts = iter(corrected([one.verdict for one in found if one.verdict is not None]))
    return [GroupScore(one.group, one.scope, one.metric, one.by_seed, one.verdict and next(verdicts)) for one in found]


def _values(row: Row, metric: str) -> list[float]:
    own = row.per_query[metric]
    return [averaged(metric, own[query]) for query in sorted(own)]


def _rows(results: Results, title: str) -> dict[DatasetName, Row]:
    return {row.of: row for row in results.rows if row.retriever == title}


def _seeds(groups: Mapping[str, Group]) -> list[str]:
    """Those of all groups.

    Raises:
        ConfigError: There are fewer than two groups or two seeds, or a group has others.
    """
    seeds = sorted(next(iter(groups.values()), {}))
    if len(groups) < 2 or len(seeds) < 2:
        raise ConfigError(
            "runs", "two groups or more, of two seeds or more each", {g: sorted(groups[g]) for g in groups}
        )
    for name, group in groups.items():
        if sorted(group) != seeds:
            raise ConfigError("runs", f"evaluations of the seeds {seeds} in every group", f"{name}: {sorted(group)}")
    return seeds
