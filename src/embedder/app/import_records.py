"""Take published JSON Lines in: check every record, hold some out, and make a corpus for validation from their keys."""

import heapq
import json
import logging
from pathlib import Path

from embedder.data.records import Records, text_id
from embedder.errors import ConfigError, DataError
from embedder.training.task import Task
from embedder.types import Record

logger = logging.getLogger(__name__)

_CORPUS_KEYS = 20_000  # keys of training records beside those of the held-out ones, at most


def import_records(path: Path, task: Task, share: float, max_queries: int, directory: Path) -> dict[str, int]:
    """Split a file of records into `train.jsonl` and `validation.jsonl`, with `queries.jsonl` and `corpus.jsonl`.

    Every line is checked before the first one is written. Held-out records are chosen by a hash of query and line.
    Training records that the task's `min_reward_gap` leaves out are counted as skipped.

    Args:
        path: The file.
        task: What its records are for.
        share: Of the records, held out.
        max_queries: At most so many of them.
        directory: Where to write.

    Returns:
        How many records went where.
    """
    records = Records(path, task.name)
    order, flat = [], set()
    for line, record in enumerate(records):
        if task.objective.needs_rewards and record.rewards is None:
            raise DataError(
                path, line + 1, f"the objective of task {task.name!r} distils rewards, but 'teacher_scores' is missing"
            )
        if task.objective.needs_positives and not record.positives:
            raise DataError(path, line + 1, f"the objective of task {task.name!r} is contrastive, but 'pos' is missing")
        order.append((text_id(record.query), text_id(f"{record.id}/{line}")))
        if record.rewards is not None and _gap(record.rewards) < task.labelling.min_reward_gap:
            flat.add(line)
    n_held_out = min(max_queries, max(1, round(share * len(records))))
    if n_held_out >= len(records):
        raise DataError(path, None, f"{len(records)} records are too few to train on and to hold some out")
    drawn = heapq.nsmallest(n_held_out, range(len(order)), key=order.__getitem__)
    # All lines of a query go the same way: what is held out is never trained on.
    held_out_queries = {order[line][0] for line in drawn}
    held_out = {line for line, (query, _) in enumerate(order) if query in held_out_queries}
    n_held_out = len(held_out)
    if n_held_out == len(records):
        raise DataError(path, None, "all records are of one query: nothing is left to train on")
    flat -= held_out
    if len(flat) + n_held_out == len(records):
        expected = f"at most what the rewards of a training record of {path.name} differ by"
        raise ConfigError(f"tasks.{task.name}.labelling.min_reward_gap", expected, task.labelling.min_reward_gap)
    if flat:
        logger.info("%s: rewards of %d training records differ too little: they are left out", path, len(flat))
    corpus: dict[str, str] = {}
    with (
        path.open("rb") as source,
        (directory / "train.jsonl").open("wb") as train,
        (directory / "validation.jsonl").open("wb") as validation,
        (directory / "queries.jsonl").open("w", encoding="utf-8") as queries,
    ):
        for line, raw in enumerate(source):
            if line in flat:
                continue
            (validation if line in held_out else train).write(raw.rstrip(b"\r\n") + b"\n")
            if line in held_out:
                record = records[line]
                corpus |= _keys(record)
                row = {
                    "query_id": f"{line}",
                    "query": record.query,
                    "answers": record.answers,
                    "pos": [text_id(key.text) for key in record.positives],
                }
                queries.write(json.dumps(row, ensure_ascii=False) + "\n")
            elif len(corpus) < _CORPUS_KEYS:
                corpus |= _keys(records[line])
    with (directory / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for key_id, text in corpus.items():
            file.write(json.dumps({"id": key_id, "text": text}, ensure_ascii=False) + "\n")
    return {"train": len(records) - n_held_out - len(flat), "validation": n_held_out, "skipped": len(flat)}


def _gap(rewards: tuple[float, ...]) -> float:
    return max(rewards, default=0.0) - min(rewards, default=0.0)


def _keys(record: Record) -> dict[str, str]:
    """The keys of a record by a hash of their text: one text is one key, whatever it was called."""
    return {text_id(key.text): key.text for key in record.positives + record.negatives}
