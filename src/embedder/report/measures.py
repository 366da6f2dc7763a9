"""What the report knows about a metric: its name for people, which direction is good, how its mean is taken."""

import math
from collections.abc import Collection, Iterable
from typing import Literal

Kind = Literal["retrieval", "answers", "likelihood"]

PERPLEXITY = "perplexity"

_HEADLINES: dict[Kind, tuple[str, ...]] = {
    "retrieval": ("ndcg@10", "ndcg@5", "ndcg@3", "ndcg@100", "ndcg@1"),
    "answers": ("em", "popqa_accuracy", "accuracy", "rouge_l", "f1", "contains"),
    "likelihood": ("gain", "log_likelihood", "perplexity"),
}
_COLUMNS = (
    *("ndcg@3", "ndcg@5", "ndcg@10", "recall@10", "mrr@10", "answer_recall@3", "answer_recall@10"),
    *("em", "f1", "contains", "popqa_accuracy", "accuracy", "rouge_l"),
    *("log_likelihood", "gain", "place", "perplexity", "harm"),
)
_LOWER = frozenset({"perplexity", "harm", "place"})
_UNBOUNDED = frozenset({"log_likelihood", "gain", "place", "perplexity"})
_TITLES = {
    "em": "exact match",
    "f1": "F1",
    "contains": "contains",
    "popqa_accuracy": "PopQA accuracy",
    "rouge_l": "ROUGE-L",
    "log_likelihood": "log-likelihood",
    "gain": "gain",
    "place": "place",
    "perplexity": "perplexity",
}
_NOTES = {
    "log_likelihood": "of the best gold answer, nats a token",
    "gain": "log-likelihood of the gold answer over that without retrieval, nats a token",
    "place": "of the gold answer among sampled outputs, 1 is best",
    "perplexity": "of the reference, lower is better",
    "harm": "right alone, wrong with retrieval: share of queries, lower is better",
    "em": "share of queries answered exactly",
}


def title(metric: str) -> str:
    """How a metric is called on the page."""
    name, at, cutoff = metric.partition("@")
    short = {"ndcg": "nDCG", "mrr": "MRR", "answer_recall": "answer recall"}.get(name, _TITLES.get(name, name))
    return f"{short}{at}{cutoff}"


def note(metric: str) -> str:
    """What a metric measures, or nothing where its name says it."""
    return _NOTES.get(metric, "")


def is_lower_better(metric: str) -> bool:
    """Whether small values are good."""
    return metric in _LOWER


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1."""
    return metric not in _UNBOUNDED


def from_scale(metric: str, value: float) -> float:
    """A mean over queries as people read it: perplexity is the exponential of nats a token."""
    return math.exp(value) if metric == PERPLEXITY else value


def headlines(metrics: Collection[str]) -> dict[Kind, str]:
    """The one metric of each kind that charts and verdicts are about."""
    found = {}
    for kind, names in _HEADLINES.items():
        if chosen := next((name for name in names if name in metrics), None):
            found[kind] = chosen
    return found


def columns(metrics: Iterable[str]) -> list[str]:
    """The metrics that a table shows, in order: the usual cut-offs, or the largest where those are not among them."""
    present = list(dict.fromkeys(metrics))
    shown = [name for name in _COLUMNS if name in present]
    for family in dict.fromkeys(name.partition("@")[0] for name in present if "@" in name):
        own = [name for name in present if name.startswith(f"{family}@")]
        if not any(name in shown for name in own):
            shown.insert(0, max(own, key=lambda name: int(name.partition("@")[2])))
    return shown + [name for name in present if "@" not in name and name not in shown]


def number(value: float, metric: str = "", *, signed: bool = False) -> str:
    """A value for people: three places, a true minus sign."""
    places = 2 if metric in ("perplexity", "place") else 3
    text = f"{value:+.{places}f}" if signed else f"{value:.{places}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def difference(value: float, metric: str) -> str:
    """A difference for people; of perplexities the ratio."""
    return (
        f"\N{MULTIPLICATION SIGN} {math.exp(value):.3f}" if metric == PERPLEXITY else number(value, metric, signed=True)
    )
