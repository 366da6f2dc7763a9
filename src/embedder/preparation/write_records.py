"""Write what training reads: each query with its candidates, and beside them the log-likelihoods that the LLM gave."""

import logging
from collections.abc import Iterable, Iterator, Set
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from embedder.candidates.finder import CandidateFinder
from embedder.data.jsonl import json_line
from embedder.data.prepared import LABELLED, QUESTIONS
from embedder.data.queries import question_of
from embedder.data.records import record_row
from embedder.preparation.job import Job
from embedder.preparation.judge import Judge, Proposed
from embedder.preparation.kept_candidates import KeptCandidates
from embedder.processes import TOGETHER
from embedder.rewards.tables import ScoreTable, TableWriter
from embedder.types import Candidate, Query

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation")
_CHUNK = 2000  # queries held in memory together


def write_records(
    job: Job, finder: CandidateFinder | KeptCandidates, judge: Judge | None, directory: Path
) -> tuple[dict[str, int], dict[str, Any]]:
    """Propose, judge and write the queries of a data set, streamed to `train.jsonl` and `validation.jsonl`.

    Line by line beside these, `train.queries.jsonl` and `queries.jsonl` say what each query may be compared with, and
    which options it has.

    Args:
        job: The queries, and which of them are used for validation.
        finder: Proposes keys for them.
        judge: Scores those of the queries that are to be judged; None where labels are all that the task needs.
        directory: Where to write.

    Returns:
        How many queries went where, and what the manifest should tell of the labelling.
    """
    counts = {"train": 0, "validation": 0, "skipped": job.skipped.total(), "labelled": 0, "judged": 0}
    labelled: list[bool] = []
    questions = [question_of(query) for query in job.queries if query.id not in job.held_out]
    np.save(directory / QUESTIONS, np.array(questions, np.int64))
    name = f"{job.task.name}/{job.dataset.name}"
    for reason, n in job.skipped.items():
        logger.warning("%s: %d queries are left out: %s", name, n, reason)
    with ExitStack() as files:
        out = {
            split: files.enter_context((directory / f"{split}.jsonl").open("w", encoding="utf-8"))
            for split in (*SPLITS, "queries", "train.queries")
        }
        tables = {
            split: files.enter_context(TableWriter(directory / f"{split}.scores.arrow"))
            for split in SPLITS
            if judge is not None
        }
        for chunk in chunks(zip(job.queries, finder.propose(job.queries), strict=True), job.judged):
            to_judge = [pair for pair in chunk if pair[0].id in job.judged]
            scored = iter(judge(to_judge) if judge is not None and to_judge else [])
            by_split: dict[str, list[ScoreTable | None]] = {split: [] for split in SPLITS}
            for query, proposed in chunk:
                split = "validation" if query.id in job.held_out else "train"
                counts[split] += 1
                table = next(scored) if judge is not None and query.id in job.judged else None
                by_split[split].append(table)
                if table is not None:
                    counts["judged"] += 1
                    proposed = proposed[: table.n_candidates]  # early stop judges the first ones only
                has_label = any(candidate.source == "gold" for candidate in proposed)
                counts["labelled"] += has_label
                if split == "train":
                    labelled.append(has_label)
                row = record_row(query, proposed, job.task.name, _no_negatives(query, proposed, job, finder))
                out[split].write(json_line(row))
                out["queries" if split == "validation" else "train.queries"].write(json_line(_query_row(query)))
            for split, writer in tables.items():
                writer.write(by_split[split])
    np.save(directory / LABELLED, np.array(labelled, np.bool_))
    if judge is not None:
        logger.info(
            "%s: %d of %d queries are judged, %d labelled", name, counts["judged"], len(job.queries), counts["labelled"]
        )
    about = {"left_out": dict(job.skipped)} if job.skipped else {}
    return counts, about | _labelling(name, finder, judge, len(job.queries))


def _labelling(
    name: str, finder: CandidateFinder | KeptCandidates, judge: Judge | None, n_queries: int
) -> dict[str, Any]:
    """What the manifest says about the labelling; the log says it too."""
    about: dict[str, Any] = {} if judge is None else {"prompt": judge.prompt.render("...", ["..."])}
    if judge is not None and judge.early_stop_report is not None:
        logger.info("%s: %s", name, judge.early_stop_report)
        about["early_stop"] = judge.early_stop_report.as_json()
    if finder.unranked:
        logger.warning(
            "%s: BM25 finds no word of any key in %d of %d queries, so all their negatives are random (single letters, "
            "digits, punctuation and stop words do not count as words; conf/bm25)",
            name,
            finder.unranked,
            n_queries,
        )
        about["random_negatives"] = finder.unranked
    if finder.dropped:
        logger.info("%s: candidates skipped by filters: %s", name, dict(finder.dropped))
        about["dropped_candidates"] = dict(finder.dropped)
    return about


def chunks(items: Iterable[Proposed], judged: Set[str]) -> Iterator[list[Proposed]]:
    """Some thousand queries at a time, with their candidates; no chunk ends within a call of the LLM.

    Args:
        items: The queries.
        judged: Ids of those that the LLM judges.
    """
    chunk: list[Proposed] = []
    n_judged = 0
    for item in items:
        chunk.append(item)
        n_judged += item[0].id in judged
        if len(chunk) >= _CHUNK and n_judged % TOGETHER == 0:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _no_negatives(
    query: Query, proposed: tuple[Candidate, ...], job: Job, finder: CandidateFinder | KeptCandidates
) -> tuple[str, ...]:
    """Texts of gold keys that are not among the candidates, of their near duplicates, and of the excluded keys."""
    shown = {candidate.key.id for candidate in proposed}
    ids = (*query.positives, *query.exclude)
    others = [job.corpus.position(key_id) for key_id in ids if key_id not in shown]
    return tuple(job.corpus[position].text for position in (*others, *finder.copies.get(query.id, ())))


def _query_row(query: Query) -> dict[str, Any]:
    row: dict[str, Any] = {"query_id": query.id, "query": query.text, "answers": query.answers, "pos": query.positives}
    if query.among is not None:
        row["among"] = query.among
    lists = {"options": query.options, "exclude": query.exclude}
    return row | {name: values for name, values in lists.items() if values}
