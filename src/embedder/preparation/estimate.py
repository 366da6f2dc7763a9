"""`prepare.py action=estimate`: what labelling will cost."""

import dataclasses
import logging
from dataclasses import dataclass

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.data.queries import first_by_hash
from embedder.data.sources import Dataset
from embedder.preparation.preparation import Preparation
from embedder.rewards.asking import is_written
from embedder.rewards.estimate import LabelEstimate, estimate
from embedder.rewards.label_counts import count_requests
from embedder.rewards.probe import probe
from embedder.rewards.written_estimate import estimate_written
from embedder.training.budget import Budget
from embedder.training.task import Task

logger = logging.getLogger(__name__)

_MOST_OF_THE_WORK = 0.15  # share of the labelling that timing it may take


@checked("run")
@dataclass(frozen=True)
class EstimateRun:
    """`prepare.py action=estimate`: what labelling will cost, from a few timed queries; the stores stay as they are.

    Args:
        tasks: The task mix.
        preparation: How it will be prepared.
        sample: Queries whose prompts are counted.
        probed: Queries that the LLM is timed on.
    """

    tasks: dict[str, Task]
    preparation: Preparation
    sample: PositiveInt = 200
    probed: PositiveInt = 6

    def run(self) -> list[LabelEstimate]:
        """Log one estimate of what is left for each data set; none where that is nothing, or too little to time."""
        estimates = [
            self._estimate(task, dataset)
            for task, dataset in self.preparation.datasets(self.tasks)
            if dataset.records is None
        ]
        return [estimated for estimated in estimates if estimated is not None]

    def _estimate(self, task: Task, dataset: Dataset) -> LabelEstimate | None:
        name = f"{task.name}/{dataset.name}"
        if self.preparation.prepared(task, dataset).is_complete:
            logger.info("%s: already prepared, nothing is left to do", name)
            return None
        job = self.preparation.job(task, dataset)
        judge = self.preparation.judge(job)
        if judge is None:
            logger.info("%s: trains on labels alone, no LLM is run", name)
            return None
        if not job.to_judge:
            logger.info("%s: no query has an answer to judge by, so labels alone train and no LLM is run", name)
            return None
        rewards = self.preparation.rewards.of_task(task)
        settings, budget = rewards.outputs, rewards.budget
        queries = first_by_hash(job.to_judge, self.sample, "estimate")
        proposed = zip(queries, self.preparation.finder(job).propose(queries), strict=True)
        requests = [judge.request(query, candidates) for query, candidates in proposed]
        unscored = judge.count_left(requests)
        total = sum(1 + len(request.candidate_prompts) for request in requests)
        # As many queries as have so many prompts: some are scored in part, as after a change of candidates.n.
        left = round(len(job.judged) * sum(unscored) / total)
        n = min(self.probed, int((_MOST_OF_THE_WORK * left - 1) / 2))  # each is timed alone and with the others
        if n < 1:
            of_sample = f"{sum(unscored):,} of {total:,} prompts of {len(queries):,} queries are left to score"
            logger.info("%s: %s%s", name, of_sample, ", too few to be worth an estimate" if left else "")
            return None
        unfinished = [request for request, prompts in zip(requests, unscored, strict=True) if prompts]
        counts = count_requests(unfinished, settings.n_outputs, settings.max_answers)
        counts = dataclasses.replace(counts, queries=left)
        if is_written(rewards.reward):
            estimated = estimate_written(rewards.language_model, rewards.reward, unfinished, counts, n)
        else:
            estimated = estimate(counts, probe(rewards.language_model, unfinished, settings, n))
        done = 1 - sum(unscored) / total
        progress = f": {done:.0%} of the prompts are scored already" if done else ""
        logger.info("%s%s\n%s%s", name, progress, estimated.render(), _limited(estimated, budget))
        return estimated


def _limited(estimated: LabelEstimate, budget: Budget) -> str:
    """A line that says where a budget of tokens or minutes ends the labelling; empty where it does not."""
    untold = budget.tokens is not None and estimated.tells_no_tokens
    line = "\n  budget of tokens: never reached, since the server does not tell them" if untold else ""
    costs = (
        (budget.tokens, estimated.score_tokens + estimated.sample_tokens, "tokens"),
        (None if budget.minutes is None else 60 * budget.minutes, estimated.seconds, "minutes"),
    )
    shares = [(limit / cost, what) for limit, cost, what in costs if limit is not None and cost > limit]
    if not shares:
        return line
    share, what = min(shares)
    return f"{line}\n  budget its {what} end after about {round(share * estimated.counts.queries):,} of these queries"
