"""A sentence below a table: how many questions a test of its best two retrievers needs."""

from collections.abc import Sequence

from embedder.metrics.sample_size import questions_needed
from embedder.results.plain_text import markdown_cell
from embedder.results.row import Row
from embedder.results.statistics import ALPHA
from embedder.results.titles import UPPER_BOUND

_METRICS = ("em", "accuracy", "called")


def questions_text(rows: Sequence[Row]) -> str:
    """What a difference of the size seen needs, for the best two rows of each data set; empty where none applies."""
    lines = []
    for name in dict.fromkeys(row.of for row in rows):
        own = [row for row in rows if row.of == name and row.retriever != UPPER_BOUND]
        counts = {metric: max((len(row.per_query.get(metric, ())) for row in own), default=0) for metric in _METRICS}
        metric = max(counts, key=counts.__getitem__)
        best = sorted((row for row in own if metric in row.mean), key=lambda row: -row.mean[metric])[:2]
        if len(best) < 2:
            continue
        first, second = (row.per_query[metric] for row in best)
        shared = first.keys() & second.keys()
        only_first = sum(first[q] > second[q] for q in shared)
        only_second = sum(first[q] < second[q] for q in shared)
        names = " and ".join(f"{markdown_cell(row.retriever)} ({row.mean[metric]:.3f})" for row in best)
        needed = questions_needed(only_first / len(shared), only_second / len(shared), ALPHA) if shared else None
        difference = (
            f"they differ on {only_first} + {only_second} of {len(shared)} questions, and a difference of this size "
            f"takes {needed:,} questions to find (power 0.8, alpha {ALPHA:g})"
            if needed is not None
            else f"as many of {len(shared)} questions go each way ({only_first})"
        )
        title = markdown_cell(f"{'/'.join(name)}, {metric}")
        lines.append(f"{title}: best are {names}; {difference}.")
    return "\n".join(lines)
