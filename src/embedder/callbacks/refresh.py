"""One refresh: new negatives of every data set with the weights of the moment, judged where tasks distil rewards."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embedder.callbacks.judging import CandidateJudge, Judging
from embedder.callbacks.mining import MinedDataset, Miner
from embedder.data.prepared import PreparedDataset
from embedder.training.fresh_negatives import FreshNegatives, NegativeTable
from embedder.training.shared_work import SharedWork
from embedder.training.task import Task
from embedder.types import CorpusEncoder, IntArray

logger = logging.getLogger(__name__)

OpenJudge = Callable[[PreparedDataset], CandidateJudge]


@dataclass(frozen=True)
class Moment:
    """When a refresh is, and what orders what it does not do in full.

    Args:
        step: Optimizer steps done.
        seed: Of the batch plan.
        before: The negatives so far of each data set, by its name; without those that have their own.
    """

    step: int
    seed: int
    before: Mapping[str, FreshNegatives]


@dataclass(frozen=True)
class Refresh:
    """Finds new negatives, and lets the LLM judge those of tasks that distil rewards.

    Args:
        miner: Finds them.
        open_judge: Gives what judges those of a data set, without the weights of the LLM.
        llm_tokens: See `Judging`; of each data set.
    """

    miner: Miner
    open_judge: OpenJudge
    llm_tokens: int | None
    _judges: dict[str, CandidateJudge] = field(default_factory=dict, init=False, repr=False)

    def open(self, parts: Sequence[MinedDataset], tasks: Mapping[str, Task]) -> None:
        """Open what judges, so that what is wrong with its data or settings shows before the first step."""
        for part in parts:
            if tasks[part.dataset.task].objective.needs_rewards:
                self._judge(part)

    def __reduce__(self) -> tuple[type["Refresh"], tuple[Miner, OpenJudge, int | None]]:
        return Refresh, (self.miner, self.open_judge, self.llm_tokens)  # another process opens what judges itself

    def tables(
        self,
        parts: Sequence[MinedDataset],
        tasks: Mapping[str, Task],
        encoder: CorpusEncoder,
        shared: SharedWork,
        moment: Moment,
        *,
        together: bool = False,
    ) -> tuple[dict[str, NegativeTable], dict[str, float]]:
        """The negatives of each data set, the same on all processes, and what is logged about them.

        Args:
            parts: The data sets.
            tasks: Of the run.
            encoder: With the weights of the moment.
            shared: Between the processes of the run.
            moment: When.
            together: Whether all processes have to encode the same texts.
        """
        tables: dict[str, NegativeTable] = {}
        values: dict[str, float] = {}
        for part in parts:
            task, n, share = tasks[part.dataset.task], len(part.queries), shared.share
            found = self.miner.mine(part, task.sides, encoder, range if together else share)
            if together:
                found = found[list(share(n))]
            table, counts = NegativeTable(found), dict[str, int]()
            if task.objective.needs_rewards:
                table, counts = self._judged(part, shared, moment, found)
            counts["changed"] = part.n_changed(table.positions, share, moment.before.get(part.name))
            rewards = None if table.rewards is None else shared.gather(table.rewards, n)
            positions = shared.gather(table.positions, n).astype(np.min_scalar_type(-len(part.corpus)))
            tables[part.name] = NegativeTable(positions, rewards)
            totals = {name: shared.total(count) for name, count in sorted(counts.items())}
            if shared.processes.is_first:
                n_negatives, step = int((positions >= 0).sum()), moment.step
                logger.info(
                    "%s: %d of %d negatives are new after %d steps", part.name, totals["changed"], n_negatives, step
                )
                if task.objective.needs_rewards:
                    logger.info(_in_words(part.name, totals))
            for name, total in totals.items():
                logged = f"reindex/{task.name}/{name}"
                values[logged] = values.get(logged, 0) + total
        for judge in self._judges.values():
            judge.release()  # the steps until the next refresh have the memory of the LLM
        return tables, values

    def _judged(
        self, part: MinedDataset, shared: SharedWork, moment: Moment, found: IntArray
    ) -> tuple[NegativeTable, dict[str, int]]:
        judge = self._judge(part)
        before, tokens = moment.before.get(part.name), judge.tokens_run
        judging = Judging(part, before, judge, shared, self.llm_tokens, moment.seed, moment.step)
        shared.wait()  # all of them open the group here together
        table, counts = judging.table(found)
        shared.wait()  # what comes next is a collective that gives up soon, and shares of the LLM's work are uneven
        return table, counts | {"llm_tokens": judge.tokens_run - tokens}

    def _judge(self, part: MinedDataset) -> CandidateJudge:
        if part.name not in self._judges:
            self._judges[part.name] = self.open_judge(part.dataset)
        return self._judges[part.name]


def _in_words(name: str, totals: Mapping[str, int]) -> str:
    """What the LLM did."""
    sentences = [
        f"the LLM judged the candidates of {totals['judged']} records, for {totals['llm_tokens']} tokens",
        f"{totals['above_gold']} new ones help it more than the labelled keys of their record",
    ]
    if totals["beyond"]:
        sentences.append(f"{totals['beyond']} records beyond callbacks.reindex.llm_tokens keep theirs")
    if totals["flat"]:
        sentences.append(f"{totals['flat']} records whose new rewards differ by too little keep theirs")
    return f"{name}: {'; '.join(sentences)}"
