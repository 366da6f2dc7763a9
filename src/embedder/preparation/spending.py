"""Spend an open budget of the LLM: judge queries in their order until so many tokens or minutes are spent."""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from embedder.candidates.finder import CandidateFinder
from embedder.digests import expecting_own
from embedder.files import write_atomically
from embedder.preparation.job import Job
from embedder.preparation.judge import Judge
from embedder.processes import TOGETHER
from embedder.training.budget import Budget

logger = logging.getLogger(__name__)


@dataclass
class Spent:
    """What has been spent on a data set so far, also by runs that were stopped."""

    queries: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def reaches(self, budget: Budget) -> bool:
        """Whether nothing is left."""
        tokens, minutes = budget.tokens, budget.minutes
        return (tokens is not None and self.tokens >= tokens) or (minutes is not None and self.seconds >= 60 * minutes)


def spend(job: Job, finder: CandidateFinder, judge: Judge, budget: Budget, ledger: Path) -> Job:
    """Judge the queries of a job until its budget is spent.

    After every few queries the ledger says what is spent. A run that was killed and is started again finds the scores
    in the store, where they cost nothing, and spends what is left; one whose budget was spent judges no more.

    Args:
        job: Its queries are judged in their order.
        finder: Proposes their candidates.
        judge: Scores these, into the store.
        budget: With tokens or minutes.
        ledger: A small JSON file beside the prepared data set.

    Returns:
        The job, with the queries that were judged or can train on their labels.

    Raises:
        DataError: The ledger is damaged, or too few queries were judged.
    """
    spent, queries, done = _read(ledger), job.to_judge, 0
    while done < len(queries) and (done < spent.queries or not spent.reaches(budget)):
        some = queries[done : done + TOGETHER]
        started, tokens = time.monotonic(), judge.tokens_run
        judge(list(zip(some, finder.propose(some), strict=True)))
        done += len(some)
        spent.tokens += judge.tokens_run - tokens
        spent.seconds += time.monotonic() - started
        spent.queries = max(spent.queries, done)
        ledger.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(ledger, json.dumps(asdict(spent)))
    logger.info(
        "%s/%s: %d of %d queries are judged, for %d tokens and %.1f minutes of the LLM",
        job.task.name,
        job.dataset.name,
        done,
        len(queries),
        spent.tokens,
        spent.seconds / 60,
    )
    return job.spent({query.id for query in queries[:done]})


def _read(ledger: Path) -> Spent:
    with expecting_own(ledger):
        return Spent(**json.loads(ledger.read_text(encoding="utf-8"))) if ledger.is_file() else Spent()
