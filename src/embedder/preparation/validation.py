"""Which training queries are used for validation, in a data set and over all data sets of a run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedder.bounds import PositiveInt, ShareBetween
from embedder.checks import checked
from embedder.data.prepared import PreparedDataset
from embedder.data.queries import question_of
from embedder.errors import DataError
from embedder.texts import text_hash
from embedder.types import Query

logger = logging.getLogger(__name__)


@checked("prepare.validation")
@dataclass(frozen=True)
class Validation:
    """Which training queries are used for validation.

    Args:
        share: Of the training queries.
        max_queries: At most so many of a data set.
    """

    share: ShareBetween
    max_queries: PositiveInt

    def size(self, n: int) -> int:
        """How many of `n` queries, two or more, are used for validation; at least one is left to train on.

        >>> Validation(share=0.1, max_queries=200).size(60)
        6
        """
        return min(self.max_queries, n - 1, max(1, round(self.share * n)))


def held_out_ids(queries: list[Query], examples: list[Query], n: int) -> set[str]:
    """Ids of `n` queries, or of some more: those that belong together are all used for validation or none.

    Queries of one dialogue or document belong together, since it is what they are compared with; where there are too
    few of these, and everywhere else, those that ask the same do. What the prompt shows is not held out; of a handful
    of queries all may be examples: then one is taken back.
    """
    for group in (_history, question_of):
        shown = {group(query) for query in examples}
        members: dict[int, list[Query]] = {}
        for query in queries:
            if group(query) not in shown:
                members.setdefault(group(query), []).append(query)
        held_out: set[str] = set()
        for name in sorted(members):  # hashes, which fall the same way in every data set and task
            if len(held_out) < n:
                held_out |= {query.id for query in members[name]}
        if held_out and len(held_out) <= len(queries) // 2:
            return held_out
    return held_out or {query.id for query in queries if question_of(query) == question_of(queries[0])}


def _history(query: Query) -> int:
    return question_of(query) if query.among is None else text_hash(query.among[0])


def held_out_together(datasets: Sequence[PreparedDataset]) -> list[PreparedDataset]:
    """The data sets of a run, none of which trains on a validation question of any of them.

    Raises:
        DataError: Nothing is left of one to train on.
    """
    held_out = frozenset[int]().union(*(dataset.questions_held_out() for dataset in datasets))
    together = [replace(dataset, held_out=held_out) for dataset in datasets]
    for dataset in together:
        if not len(dataset.leaked):
            continue
        if dataset.kept is not None and not len(dataset.kept):
            message = (
                "another data set or task of this run validates on every training question: nothing is left to train on"
            )
            raise DataError(dataset.directory, None, message)
        logger.warning(
            "%s/%s: %d training records are left out, because another data set or task of this run validates on their "
            "question",
            dataset.task,
            dataset.name,
            len(dataset.leaked),
        )
    return together
