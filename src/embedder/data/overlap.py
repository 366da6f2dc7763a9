"""Test questions that are training questions too, or nearly: their scores do not show how a model does on new ones."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from embedder.data.near_questions import NearQuestions
from embedder.data.queries import Queries, question_of
from embedder.data.sources import Dataset
from embedder.shown import shown
from embedder.types import Query

logger = logging.getLogger(__name__)

NEAR = 0.6
"""Similarity from which two questions are reported, for a reader to judge: names or numbers may differ."""
_EXAMPLES = 10


@dataclass
class Overlap:
    """The test questions of a data set that are training questions of any data set of the run.

    Args:
        questions: How many test questions there are.
        same: How many are training questions too, letter case, white space and Unicode form aside.
        nearest: Of each other one that is near a training question: similarity, test and training question.
    """

    questions: int
    same: int = 0
    nearest: list[tuple[float, str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Counts, and the nearest few."""
        near = sorted(self.nearest, key=lambda pair: -pair[0])
        examples = [{"similarity": round(share, 3), "test": a, "training": b} for share, a, b in near[:_EXAMPLES]]
        return {"questions": self.questions, "same": self.same, "near": len(near), "nearest": examples}


def trained_on(datasets: Sequence[Dataset]) -> dict[Dataset, Overlap]:
    """Which test questions of each data set are also, or nearly, training questions of any of the data sets.

    Published records have no test questions. A line in the log names each data set that has such questions.
    """
    tests = {dataset: list(Queries(dataset.test)) for dataset in datasets if dataset.test is not None}
    found = {dataset: Overlap(len(queries)) for dataset, queries in tests.items()}
    # A query that is compared with keys of its own asks about these, such as the turns of its dialogue.
    by_range: dict[str, list[tuple[Dataset, Query]]] = defaultdict(list)
    for dataset, queries in tests.items():
        for query in queries:
            by_range[_range(query)].append((dataset, query))
    near = {name: NearQuestions([query.text for _, query in own], NEAR) for name, own in by_range.items()}
    tested = {question_of(query) for queries in tests.values() for query in queries}
    same: set[int] = set()
    best: dict[tuple[str, int], tuple[float, str]] = {}
    for path in dict.fromkeys(dataset.train for dataset in datasets if dataset.train is not None and tested):
        for query in Queries(path):
            if (question := question_of(query)) in tested:
                same.add(question)
            name = _range(query)
            for index, share in near[name].like(query.text) if name in near else ():
                best[name, index] = max(best.get((name, index), (0.0, "")), (share, query.text))
    for name, own in by_range.items():
        for index, (dataset, query) in enumerate(own):
            if question_of(query) in same:
                found[dataset].same += 1
            elif (name, index) in best:
                share, other = best[name, index]
                found[dataset].nearest.append((share, query.text, other))
    for dataset, overlap in found.items():
        _warn(dataset, overlap)
    return found


def _range(query: Query) -> str:
    return "" if query.among is None else query.among[0]


def _warn(dataset: Dataset, overlap: Overlap) -> None:
    name, n = f"{dataset.task}/{dataset.name}", overlap.questions
    if overlap.same:
        message = "%s: %d of %d test questions are training questions too, so the trained model may have memorised them"
        logger.warning(message, name, overlap.same, n)
    if overlap.nearest:
        _, test, other = max(overlap.nearest)
        message = "%s: %d of %d test questions are worded nearly like a training question, such as %r and %r"
        logger.warning(message, name, len(overlap.nearest), n, shown(test, 100), shown(other, 100))
