"""Import published JSON Lines: check every record, choose some for validation, and make a corpus from their keys."""

import json
import logging
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from embedder.data.jsonl import json_line
from embedder.data.known_positives import KnownPositives, write_known_positives
from embedder.data.prepared import KNOWN_POSITIVES, QUESTIONS
from embedder.data.records import Records, hash_id, parse_record, text_id
from embedder.errors import ConfigError, DataError
from embedder.preparation.published_lines import PublishedLines, read_lines
from embedder.preparation.validation import Validation
from embedder.texts import normal_form
from embedder.training.task import Task
from embedder.types import IntArray, Record

logger = logging.getLogger(__name__)

BoolArray = npt.NDArray[np.bool_]
_CORPUS_KEYS = 20_000  # keys of training records beside those of the validation records, at most


def import_records(
    path: Path, task: Task, validation: Validation, directory: Path, max_train_queries: int | None = None
) -> dict[str, int]:
    """Split a file of records into `train.jsonl` and `validation.jsonl`, with `queries.jsonl` and `corpus.jsonl`.

    Every line is checked before the first one is written. Validation records are chosen by a hash of the question, so
    all lines of a question are used for validation or none. A text that any line of a query labels is a negative on
    none of them. Lines that no loss of the objective applies to, those beyond `max_train_queries`, training records
    that the task's `min_reward_gap` leaves out, and those whose keys are all such negatives, are counted as skipped.

    Args:
        path: The file.
        task: What its records are for.
        validation: How many records are used for validation.
        directory: Where to write.
        max_train_queries: So many records are used at most, those of the first questions by their hash; None for all
            that the task takes.

    Returns:
        How many records went where.

    Raises:
        DataError: A line is malformed, or there are too few records to use some for validation.
        ConfigError: No training record has rewards that differ by the task's `min_reward_gap`.
    """
    records = Records(path, task.name)
    lines = read_lines(records, task)
    write_known_positives(directory / KNOWN_POSITIVES, lines.queries, lines.pairs)
    known = KnownPositives(directory / KNOWN_POSITIVES)

    def record_of(line: int) -> Record:
        return parse_record(records.row(line), task.name, known)

    used = np.ones(len(records), np.bool_)
    used[list(lines.unusable)] = False
    if (most := task.labelling.most(max_train_queries)) is not None:
        usable = np.flatnonzero(used)
        used[usable[np.argsort(lines.questions[usable], kind="stable")][most:]] = False
    held_out = _held_out(lines.questions, used, validation, path)
    flat = np.array(sorted(line for line in lines.flat if used[line] and not held_out[line]), np.int64)
    on_labels = set[int]()
    if task.objective.needs_positives:
        on_labels = set(flat.tolist()) - lines.without_positive
    used[[line for line in flat.tolist() if line not in on_labels]] = False
    if len(flat) and not (used & ~held_out).any():
        expected = f"at most what the rewards of a training record of {path.name} differ by"
        raise ConfigError(f"tasks.{task.name}.labelling.min_reward_gap", expected, task.labelling.min_reward_gap)
    if len(flat):
        message = "%s: rewards of %d training records differ too little: %d are left out, the others train on labels"
        logger.info(message, path, len(flat), len(flat) - len(on_labels))
    if lines.unusable:
        message = "%s: %d records have neither labels nor rewards that the objective could train on: they are left out"
        logger.warning(message, path, len(lines.unusable))
    without_keys = [line for line in _may_lose_its_keys(lines, known) if used[line] and not _keys(record_of(line))]
    used[without_keys] = False
    if without_keys:
        n = len(without_keys)
        logger.warning(
            "%s: all keys of %d records are labelled on other lines of their query, so these records are left out",
            path,
            n,
        )
    _copy_lines(
        path,
        directory / "train.jsonl",
        directory / "validation.jsonl",
        used=used,
        held_out=held_out,
        without_rewards=on_labels,
    )
    np.save(directory / QUESTIONS, lines.questions[used & ~held_out])
    _write_queries_and_corpus(directory, record_of, np.flatnonzero(used), held_out)
    return {
        "train": int((used & ~held_out).sum()),
        "validation": int((used & held_out).sum()),
        "skipped": int((~used).sum()),
    }


def _held_out(questions: IntArray, used: BoolArray, validation: Validation, path: Path) -> BoolArray:
    """Which lines are used for validation, [R]: those of the first questions by their hash, in every file the same."""
    usable = np.sort(questions[used])
    n = min(validation.max_queries, max(1, round(validation.share * len(usable))))
    if n >= len(usable):
        raise DataError(path, None, f"{len(usable)} records are too few for training and validation")
    held_out: BoolArray = np.isin(questions, usable[:n]) & used
    if held_out.sum() == len(usable):
        raise DataError(path, None, "all records are of one query: nothing is left to train on")
    return held_out


def _may_lose_its_keys(lines: PublishedLines, known: KnownPositives) -> list[int]:
    """Lines without a positive whose query has some on another line, which may be all of their keys."""
    on_several_lines = np.isin(lines.queries, known.queries)
    return [line for line in sorted(lines.without_positive) if on_several_lines[line]]


def _copy_lines(
    path: Path,
    train: Path,
    validation: Path,
    *,
    used: BoolArray,
    held_out: BoolArray,
    without_rewards: Collection[int],
) -> None:
    """Copy the lines that are used, as they are but for rewards that do not train, into one file or the other."""
    with path.open("rb") as source, train.open("wb") as train_file, validation.open("wb") as validation_file:
        for line, raw in enumerate(source):
            if line in without_rewards:
                row = json.loads(raw)
                del row["teacher_scores"]
                raw = json_line(row).encode()
            if used[line]:
                (validation_file if held_out[line] else train_file).write(raw.rstrip(b"\r\n") + b"\n")


def _write_queries_and_corpus(
    directory: Path, record_of: Callable[[int], Record], used: IntArray, held_out: BoolArray
) -> None:
    """Write the queries that retrieval is scored on, and the keys that are searched for them.

    These are the keys of the validation records, and of the first training records.
    """
    corpus: dict[str, str] = {}
    queries: dict[str, dict[str, Any]] = {}
    for line in used.tolist():
        if not held_out[line] and len(corpus) >= _CORPUS_KEYS:
            continue
        record = record_of(line)
        if held_out[line]:
            _add_query(queries, record, line)
        for key_id, text in _keys(record).items():
            corpus.setdefault(key_id, text)
    _write(directory / "queries.jsonl", queries.values())
    _write(directory / "corpus.jsonl", ({"id": key_id, "text": text} for key_id, text in corpus.items()))


def _add_query(queries: dict[str, dict[str, Any]], record: Record, line: int) -> None:
    """Add a validation line to the queries that retrieval is scored on: one for all lines of a query.

    What is labelled and not among the keys (`other_pos`) is neither right nor wrong: the query is not compared with it.
    """
    row = queries.setdefault(
        normal_form(record.query), {"query_id": f"{line}", "query": record.query, "answers": [], "pos": []}
    )
    row["answers"] = list(dict.fromkeys((*row["answers"], *record.answers)))
    row["pos"] = list(dict.fromkeys((*row["pos"], *(text_id(key.text) for key in record.positives))))
    row["exclude"] = [key_id for key_id in map(hash_id, record.known_positives) if key_id not in row["pos"]]


def _keys(record: Record) -> dict[str, str]:
    """The keys of a record by a hash of their text: one text is one key, whatever it was called."""
    return {text_id(key.text): key.text for key in record.positives + record.negatives}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(map(json_line, rows))
