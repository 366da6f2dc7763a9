"""How often each data set is trained on: tasks by weight, data sets of a task by a tempered share of their size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from embedder.bounds import Bound
from embedder.checks import checked


@checked("data.mixture")
@dataclass(frozen=True)
class Mixture:
    """How the data sets of one task share its steps.

    Args:
        temperature: 1 gives every record the same chance; larger values draw the data sets together, and at 1,000 all
            have nearly equal shares.
        max_records: A larger data set counts as so many records, so that one of millions leaves steps for the others;
            None for no limit. All of its records are used nevertheless.
    """

    temperature: Annotated[float, Bound("1 or more", at_least=1)] = 1.0
    max_records: Annotated[int, Bound("1 or more", at_least=1, null="null for no limit")] | None = None


def mixture_weights(
    sizes: Sequence[int], tasks: Sequence[str], task_weights: Mapping[str, float], mixture: Mixture
) -> list[float]:
    """Share of the steps of each data set, on the scale of the tasks' weights.

        weight(d) = weight(task of d) * s_d / sum over data sets e of the task of s_e,    s = min(size, cap)^(1 / T)

    Source: Devlin's multilingual BERT and Raffel et al., JMLR 2020 (T5), temperature-scaled mixing with a limit.

    >>> mixture_weights([100, 300], ["qa", "qa"], {"qa": 1.0}, Mixture())
    [0.25, 0.75]

    Args:
        sizes: Records of each data set, at least 1.
        tasks: The task of each.
        task_weights: Of each task.
        mixture: Temperature and limit.

    Returns:
        One weight a data set; those of a task sum to its weight.
    """
    most = mixture.max_records or max(sizes)
    # Shares of the limit: a power of a number up to 1 cannot overflow.
    tempered = [(min(size, most) / most) ** (1 / mixture.temperature) for size in sizes]
    totals: dict[str, float] = {}
    for task, share in zip(tasks, tempered, strict=True):
        totals[task] = totals.get(task, 0.0) + share
    return [task_weights[task] * share / totals[task] for task, share in zip(tasks, tempered, strict=True)]
