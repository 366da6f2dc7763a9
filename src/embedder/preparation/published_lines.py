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
    """

    questions: IntArray
    queries: IntArray
    pairs: IntArray
    flat: set[int]
    without_positive: set[int]


def read_lines(records: Records, task: Task) -> PublishedLines:
    """Read and check every line.

    Raises:
        DataError: A line is malformed, or lacks what the objective of the task needs.
    """
    questions, queries, pairs = array("q"), array("q"), array("q")
    flat, without_positive = set(), set()
    for line, record in enumerate(records):
        if task.objective.needs_rewards and record.rewards is None:
            message = f"the objective of task {task.name!r} distils rewards, but 'teacher_scores' is missing"
            raise DataError(records.path, line + 1, message)
        if task.objective.needs_positives and not record.positives:
            message = f"the objective of task {task.name!r} is contrastive, but 'pos' is missing"
            raise DataError(records.path, line + 1, message)
        query = text_hash(record.query)
        questions.append(question_hash(record.query))
        queries.append(query)
        for positive in record.known_positives:
            pairs.extend((query, positive))
        if not record.positives:
            without_positive.add(line)
        if record.rewards is not None and _gap(record) < task.labelling.min_reward_gap:
            flat.add(line)
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return PublishedLines(np.array(questions, np.int64), np.array(queries, np.int64), table, flat, without_positive)


def _gap(record: Record) -> float:
    rewards = record.rewards or ()
    return max(rewards, default=0.0) - min(rewards, default=0.0)
