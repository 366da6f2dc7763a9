"""How metrics are shown: their names for people, which of them charts are about, how a value is written."""

from collections.abc import Collection, Sequence
from typing import Literal

from embedder.results.measures import UNBOUNDED, is_retrieval, shown_metrics

Kind = Literal["retrieval", "answers", "likelihood"]

_HEADLINES: dict[Kind, tuple[str, ...]] = {
    "retrieval": ("ndcg@10", "ndcg@5", "ndcg@3", "ndcg@100", "ndcg@1"),
    "answers": ("em", "popqa_accuracy", "accuracy", "rouge_l", "f1", "contains"),
    "likelihood": ("gain", "log_likelihood", "perplexity"),
}
_TITLES = {
    "em": "exact match",
    "f1": "F1",
    "contains": "contains",
    "popqa_accuracy": "PopQA accuracy",
    "rouge_l": "ROUGE-L",
    "log_likelihood": "log-likelihood",
    "gain": "gain",
    "rank": "rank",
    "perplexity": "perplexity",
}
_NOTES = {
    "log_likelihood": "of the best gold answer, nats a token",
    "gain": "log-likelihood of the gold answer over that without retrieval, nats a token",
    "rank": "of the gold answer among sampled outputs, 1 is best",
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


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1."""
    return metric not in UNBOUNDED


def headlines(metrics: Collection[str]) -> dict[Kind, str]:
    """The one metric of each kind that charts and verdicts are about."""
    found = {}
    for kind, names in _HEADLINES.items():
        if chosen := next((name for name in names if name in metrics), None):
            found[kind] = chosen
    return found


def compared(metrics: Collection[str]) -> list[str]:
    """The headlines that retrievers are compared by.

    Not by gain where there is the log-likelihood: their differences are the same, and the LLM alone has only that.
    """
    found = headlines(metrics).values()
    return ["log_likelihood" if name == "gain" and "log_likelihood" in metrics else name for name in found]


def columns(metrics: Sequence[str]) -> list[str]:
    """The metrics that a table shows, in order: those of the written table, then what else the LLM was scored by."""
    shown = shown_metrics(metrics)
    return shown + [name for name in metrics if not is_retrieval(name) and name not in shown]


def number(value: float, metric: str = "", *, signed: bool = False) -> str:
    """A value for people: three decimals, a true minus sign."""
    decimals = 2 if metric in ("perplexity", "rank") else 3
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")
