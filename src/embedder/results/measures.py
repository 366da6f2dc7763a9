"""What the name of a metric says: which way is better, how its values average, which ones people look at."""

from collections.abc import Collection, Iterable, Sequence
from math import exp, log
from statistics import fmean

from embedder.results.titles import ALONE

BINARY = frozenset({"em", "contains", "popqa_accuracy", "accuracy", "called", "harm", "mended"})
"""Metrics that are 0 or 1 for every query, whatever the query."""
LOWER_IS_BETTER = frozenset({"loss", "perplexity", "rank", "harm"})
EXPONENTIAL = frozenset({"perplexity"})
"""Metrics that are exp of the mean over queries."""
UNBOUNDED = EXPONENTIAL | {"log_likelihood", "gain", "rank"}
"""Metrics that do not lie between 0 and 1."""

_RANKING = ("ndcg@5", "ndcg@10", "recall@10", "mrr@10")
_FEW_CUTOFFS = 3  # chosen by hand, as those of a benchmark: nDCG is shown at each
_OUTPUTS = ("score", "em", "f1", "contains", "popqa_accuracy", "accuracy", "called", "call_probability", "rouge_l")
_ANSWERS = (*_OUTPUTS, "log_likelihood", "gain", "rank", "perplexity", "harm")
# For looking at single queries: F1 changes by degrees where exact match mostly stays.
_MAIN = (
    "score",
    "f1",
    "accuracy",
    "called",
    "rouge_l",
    "popqa_accuracy",
    "em",
    "contains",
    "perplexity",
    "log_likelihood",
)
# Which columns a narrow table keeps, in this order.
_FIRST = (
    "score",
    "recall@10",
    "em",
    "accuracy",
    "called",
    "perplexity",
    "log_likelihood",
    "gain",
    "harm",
    "mrr@10",
    "f1",
)
_LARGEST_SHOWN = 10
LARGEST_NATS = 700.0
"""Exp of more does not fit a float; a perplexity is cut there."""


def is_retrieval(metric: str) -> bool:
    """Whether a metric is read off rankings alone: those have a cut-off, as `ndcg@10`."""
    return "@" in metric


def sign(metric: str, mode: str | None = None) -> int:
    """1 where larger is better, -1 where smaller is; for `val/loss` the last word decides.

    Args:
        metric: Its name, with or without a cut-off.
        mode: `max` or `min`: which is better of a metric that is not known here; None for `max`.
    """
    return known_sign(metric) or (-1 if mode == "min" else 1)


def known_sign(metric: str) -> int | None:
    """The same for a metric of this project; None for any other name."""
    name = metric.rpartition("/")[2].partition("@")[0]
    if name in LOWER_IS_BETTER:
        return -1
    return 1 if name in {*_ANSWERS, *BINARY, "ndcg", "recall", "mrr", "answer_recall"} else None


def is_given(metric: str, retriever: str) -> bool:
    """Whether a value of the LLM alone is 0 by definition.

    Gain, harm and mended are measured against it, and without retrieval there is no tool to call.
    Such a value has no interval, is never marked as best and is not compared.
    """
    return retriever == ALONE and metric in ("gain", "harm", "mended", "called", "call_probability")


def shown_metrics(available: Collection[str]) -> list[str]:
    """The metrics that a table shows, in its order, of those that were measured.

    Of three or fewer cut-offs, nDCG is shown at each and other ranking metrics at the largest; of more, what 5 and 10
    give, or else the largest.
    """
    cutoffs = sorted({_cutoff(name) for name in available if name.startswith("ndcg@")})
    ranking = [name for name in _RANKING if _cutoff(name) in cutoffs]
    if cutoffs and (len(cutoffs) <= _FEW_CUTOFFS or not ranking):
        each = cutoffs if len(cutoffs) <= _FEW_CUTOFFS else [max(cutoffs)]
        ranking = [*(f"ndcg@{cutoff}" for cutoff in each), *(f"{name}@{max(cutoffs)}" for name in ("recall", "mrr"))]
    # One answer recall, at 10 or the largest cut-off below: more columns are more comparisons to correct for.
    contained = [name for name in available if name.startswith("answer_recall@") and _cutoff(name) <= _LARGEST_SHOWN]
    return [name for name in (*ranking, *sorted(contained, key=_cutoff)[-1:], *_ANSWERS) if name in available]


def narrowed(shown: Sequence[str], most: int) -> list[str]:
    """At most so many of the metrics that a table shows, in its order: first the last nDCG, then those of `_FIRST`."""
    ndcg = [name for name in shown if name.startswith("ndcg@")]
    kept = list(dict.fromkeys((*ndcg[-1:], *(name for name in _FIRST if name in shown), *shown)))[:most]
    return [name for name in shown if name in kept]


def main_metrics(available: Sequence[str]) -> list[str]:
    """At most two metrics to look at query by query: of the ranking, and of the LLM's answers."""
    ndcg = [name for name in available if name.startswith("ndcg@")]
    found = ndcg[-1:] + [name for name in _MAIN if name in available][:1]
    return found or list(available[:1])


def averaged(metric: str, value: float) -> float:
    """What is averaged over queries: of perplexity the nats a token, of any other metric the value itself."""
    return log(value) if metric in EXPONENTIAL else value


def improvement(metric: str, before: float, after: float) -> float:
    """By how much a query is better than before: above 0 where it is, in nats a token for perplexity."""
    return sign(metric) * (averaged(metric, after) - averaged(metric, before))


def mean_of(metric: str, values: Iterable[float]) -> float:
    """The metric over queries: their mean, and of perplexity exp of the mean nats, each query counting the same.

    Source of the latter: Zhang et al., ACL 2024 (arXiv 2310.07554), mean over samples, then exp.

    Raises:
        ValueError: There are no values.
    """
    mean = fmean(averaged(metric, value) for value in values)
    return exp(mean) if metric in EXPONENTIAL else mean


def _cutoff(metric: str) -> int:
    return int(metric.rpartition("@")[2])
