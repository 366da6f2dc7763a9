"""Hashes and line numbers of a file of published records, from one reading that checks every line."""

from array import array
from dataclasses import dataclass

import numpy as np

from embedder.data.records import Records
from embedder.errors import DataError
from embedder.texts import question_hash, text_hash
from embedder.training.task import Task
from embedder.types import IntArray, Record


@dataclass(frozen=True)
class PublishedLines:
    """Hashes and line numbers, so that ten million lines fit in memory.

    Args:
        questions: `question_hash` of each query: which lines go the same way, [R].
        queries: `text_hash` of each query: which lines share their positives, [R].
        pairs: `text_hash` of query and positive, for each positive of each line, [P, 2].
        flat: Lines whose rewards differ by less than the task's `min_reward_gap`.
        without_positive: Lines that label no key.
        unusable: Lines that no loss of the task's objective applies to.
    """

    questions: IntArray
    queries: IntArray
    pairs: IntArray
    flat: set[int]
    without_positive: set[int]
    unusable: set[int]


def read_lines(records: Records, task: Task) -> PublishedLines:
    """Read and check every line.

    Raises:
        DataError: A line is malformed, or all of them lack what the objective of the task needs.
    """
    questions, queries, pairs = array("q"), array("q"), array("q")
    flat, without_positive, unusable = set[int](), set[int](), set[int]()
    first_missing = ""
    for line, record in enumerate(records):
        labelled, judged = bool(record.positives), record.rewards is not None
        if (missing := task.missing(labelled=labelled, judged=judged)) is not None:
            first_missing = first_missing or missing
            unusable.add(line)
        query = text_hash(record.query)
        questions.append(question_hash(record.query))
        queries.append(query)
        for positive in record.known_positives:
            pairs.extend((query, positive))
        if not labelled:
            without_positive.add(line)
        if record.rewards is not None and _gap(record) < task.labelling.min_reward_gap:
            flat.add(line)
    if len(unusable) == len(questions) and unusable:
        raise DataError(records.path, 1, first_missing)
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return PublishedLines(
        np.array(questions, np.int64), np.array(queries, np.int64), table, flat, without_positive, unusable
    )


def _gap(record: Record) -> float:
    rewards = record.rewards or ()
    return max(rewards, default=0.0) - min(rewards, default=0.0)
