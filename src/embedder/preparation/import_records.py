"""Take published JSON Lines in: check every record, hold some out, and make a corpus for validation from their keys."""

import json
import logging
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedder.data.known_positives import KnownPositives, write_known_positives
from embedder.data.prepared import KNOWN_POSITIVES, QUESTIONS
from embedder.data.records import Records, hash_id, text_id
from embedder.errors import ConfigError, DataError
from embedder.texts import normal_form, question_hash, text_hash
from embedder.training.task import Task
from embedder.types import IntArray, Record

logger = logging.getLogger(__name__)

BoolArray = npt.NDArray[np.bool_]
_CORPUS_KEYS = 20_000  # keys of training records beside those of the held-out ones, at most


@dataclass(frozen=True)
class _Lines:
    """What one reading of a file tells of its lines; hashes, so that ten million of them fit in memory.

    Args:
        questions: `question_hash` of each query: which lines go the same way.
        queries: `text_hash` of each query: which lines share their positives.
        pairs: `text_hash` of query and positive, for each positive of each line, [P, 2].
        flat: Lines whose rewards differ by less than the task's `min_reward_gap`.
        bare: Lines without a positive.
    """

    questions: IntArray
    queries: IntArray
    pairs: IntArray
    flat: set[int]
    bare: set[int]


def import_records(path: Path, task: Task, share: float, max_queries: int, directory: Path) -> dict[str, int]:
    """Split a file of records into `train.jsonl` and `validation.jsonl`, with `queries.jsonl` and `corpus.jsonl`.

    Every line is checked before the first one is written. What is held out is chosen by a hash of the question, and all
    lines of a question go the same way. What any line of a query labels is a negative on none of them. Training records
    that the task's `min_reward_gap` leaves out, or whose only keys are such negatives, are counted as skipped.

    Args:
        path: The file.
        task: What its records are for.
        share: Of the records, held out.
        max_queries: At most so many of them.
        directory: Where to write.

    Returns:
        How many records went where.
    """
    lines = _read(Records(path, task.name), task)
    write_known_positives(directory / KNOWN_POSITIVES, lines.queries, lines.pairs)
    records = Records(path, task.name, known=KnownPositives(directory / KNOWN_POSITIVES))
    held_out = _held_out(lines.questions, share, max_queries, path)
    flat = {line for line in lines.flat if not held_out[line]}
    shared = np.unique(np.load(directory / KNOWN_POSITIVES)[:, 0])
    bare = lines.bare & set(np.flatnonzero(np.isin(lines.queries, shared)).tolist())
    if len(flat) + held_out.sum() == len(records):
        expected = f"at most what the rewards of a training record of {path.name} differ by"
        raise ConfigError(f"tasks.{task.name}.labelling.min_reward_gap", expected, task.labelling.min_reward_gap)
    if flat:
        logger.info("%s: rewards of %d training records differ too little: they are left out", path, len(flat))
    corpus: dict[str, str] = {}
    asked: dict[str, dict[str, Any]] = {}
    questions: list[int] = []
    counts = {"train": 0, "validation": 0, "skipped": len(flat)}
    with (
        path.open("rb") as source,
        (directory / "train.jsonl").open("wb") as train,
        (directory / "validation.jsonl").open("wb") as validation,
    ):
        for line, raw in enumerate(source):
            if line in flat:
                continue
            record = records[line] if held_out[line] or line in bare or len(corpus) < _CORPUS_KEYS else None
            if record is not None and not (record.positives or record.negatives):
                counts["skipped"] += 1
                continue
            counts["validation" if held_out[line] else "train"] += 1
            (validation if held_out[line] else train).write(raw.rstrip(b"\r\n") + b"\n")
            if held_out[line]:
                assert record is not None  # noqa: S101  # read above
                _ask(asked, record, line)
            else:
                questions.append(int(lines.questions[line]))
            if record is not None and (held_out[line] or len(corpus) < _CORPUS_KEYS):
                for key_id, text in _keys(record).items():
                    corpus.setdefault(key_id, text)
    np.save(directory / QUESTIONS, np.array(questions, np.int64))
    if counts["skipped"] > len(flat):
        n = counts["skipped"] - len(flat)
        logger.warning("%s: all keys of %d records are labelled on other lines of their query: left out", path, n)
    _write(directory / "queries.jsonl", asked.values())
    _write(directory / "corpus.jsonl", ({"id": key_id, "text": text} for key_id, text in corpus.items()))
    return counts


def _read(records: Records, task: Task) -> _Lines:
    """Check every line."""
    questions, queries, pairs = array("q"), array("q"), array("q")
    flat, bare = set(), set()
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
            bare.add(line)
        if record.rewards is not None and _gap(record.rewards) < task.labelling.min_reward_gap:
            flat.add(line)
    return _Lines(
        np.array(questions, np.int64),
        np.array(queries, np.int64),
        np.array(pairs, np.int64).reshape(-1, 2),
        flat,
        bare,
    )


def _held_out(questions: IntArray, share: float, max_queries: int, path: Path) -> BoolArray:
    """Which lines are held out, [R]: those of the first questions by their hash, which is the same in every file."""
    n = min(max_queries, max(1, round(share * len(questions))))
    if n >= len(questions):
        raise DataError(path, None, f"{len(questions)} records are too few to train on and to hold some out")
    held_out: BoolArray = np.isin(questions, np.sort(questions)[:n])
    if held_out.all():
        raise DataError(path, None, "all records are of one query: nothing is left to train on")
    return held_out


def _ask(asked: dict[str, dict[str, Any]], record: Record, line: int) -> None:
    """Put a held-out line to the queries that retrieval is scored on: one for all lines of a query.

    What is labelled and not among the keys (`other_pos`) is neither right nor wrong: the query is not compared with it.
    """
    row = asked.setdefault(
        normal_form(record.query), {"query_id": f"{line}", "query": record.query, "answers": [], "pos": []}
    )
    row["answers"] = list(dict.fromkeys((*row["answers"], *record.answers)))
    row["pos"] = list(dict.fromkeys((*row["pos"], *(text_id(key.text) for key in record.positives))))
    row["exclude"] = [key_id for key_id in map(hash_id, record.known_positives) if key_id not in row["pos"]]


def _gap(rewards: tuple[float, ...]) -> float:
    return max(rewards, default=0.0) - min(rewards, default=0.0)


def _keys(record: Record) -> dict[str, str]:
    """The keys of a record by a hash of their text: one text is one key, whatever it was called."""
    return {text_id(key.text): key.text for key in record.positives + record.negatives}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
