"""At every validation: index the corpus with the current weights and log `val/<task>/ndcg@10`."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lightning as L

from embedder.bounds import PositiveInt
from embedder.callbacks.current_encoder import CurrentEncoder, current_encoder, is_sharded
from embedder.callbacks.validation_time import Part, long_validation, measured
from embedder.checks import checked
from embedder.data.prepared import PreparedDataset
from embedder.data.view import with_gold_keys
from embedder.results.measures import mean_of
from embedder.retrieval.retrieval import retrieval_scores
from embedder.retrieval.retrievers import DenseRetriever
from embedder.training.module import RetrieverModule, require_retriever
from embedder.types import KeyStore, Query, VectorIndex

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Scored:
    """A data set whose retrieval is scored: its queries with gold keys, and the keys that are searched."""

    dataset: PreparedDataset
    queries: list[Query]
    corpus: KeyStore


@checked("callbacks.retrieval_eval")
class RetrievalEvalCallback(L.Callback):
    """Scores the validation queries of every data set against its corpus.

    All processes encode, and one searches; all log the same number. With several data sets in a task, the task's number
    is their mean, and each is logged as `val/<task>/<dataset>/ndcg@10` too. The mean over tasks is `val/ndcg@10`, which
    chooses the best checkpoint.

    Args:
        datasets: The prepared data sets of the run.
        new_index: Makes an empty index.
        cutoff: Rank at which nDCG is cut.
        max_keys: Size of the corpus that is searched: the gold keys and random others; None for all of it.
    """

    def __init__(
        self,
        datasets: Sequence[PreparedDataset],
        new_index: Callable[[], VectorIndex],
        cutoff: PositiveInt = 10,
        max_keys: PositiveInt | None = 2000,
    ) -> None:
        self._datasets, self._new_index = datasets, new_index
        self._cutoff, self._metric, self._max_keys = cutoff, f"ndcg@{cutoff}", max_keys
        self._scored: list[_Scored] = []
        self.per_query: dict[str, dict[str, float]] = {}
        """nDCG of each query by id, by task and data set, at the last validation; on the process that searches."""
        self.seconds: float | None = None
        """What a validation takes, the same on all processes: as measured on a few keys, then the last one's."""
        self._begin = 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Read queries and corpora, so that what is wrong with them shows before the first step."""
        self._scored = []
        for dataset in self._datasets:
            held_out = dataset.validation_queries()
            queries, name = [query for query in held_out if query.positives], f"{dataset.task}/{dataset.name}"
            if not queries:
                logger.warning("%s has no validation query with a gold key, so its retrieval is not scored", name)
                continue
            if len(queries) < len(held_out):
                message = "%s: retrieval is scored on %d of %d validation queries, because the others have no gold key"
                logger.info(message, name, len(queries), len(held_out))
            corpus = with_gold_keys(dataset.corpus, queries, self._max_keys, 0)
            self._scored.append(_Scored(dataset, queries, corpus))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Measure the first one on a few keys, and say so where it takes long."""
        self._begin = time.monotonic()
        if self.seconds is None:
            measures = trainer.is_global_zero or is_sharded(trainer)
            parts = self._parts(trainer, require_retriever(pl_module)) if measures else []
            self.seconds = trainer.strategy.broadcast(sum(part.seconds() for part in parts))
            n_steps = -(-trainer.max_steps * trainer.accumulate_grad_batches // int(trainer.val_check_interval))
            if trainer.is_global_zero and (told := long_validation(parts, 1 + n_steps)):
                logger.info("%s", told)

    def _parts(self, trainer: L.Trainer, module: RetrieverModule) -> list[Part]:
        encoder, parts = CurrentEncoder(module.encoder, trainer.precision_plugin), []
        for scored in self._scored:
            task = module.tasks[scored.dataset.task]
            held_out = len(scored.dataset.records("validation")) * (1 + task.sampling.group_size)
            gold = len({key_id for query in scored.queries for key_id in query.positives})
            seconds = measured(encoder, scored.corpus, task.sides)
            parts.append(Part(len(scored.corpus), gold, len(scored.queries) + held_out, seconds))
        return parts

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Score all data sets and log."""
        own = self._score(trainer, pl_module)
        scores, self.seconds = trainer.strategy.broadcast((own, time.monotonic() - self._begin))
        means = {task: mean_of(self._metric, by_name.values()) for task, by_name in scores.items()}
        for task, by_name in scores.items():
            for name, score in by_name.items() if len(by_name) > 1 else ():
                pl_module.log(f"val/{task}/{name}/{self._metric}", score, rank_zero_only=False)
            pl_module.log(f"val/{task}/{self._metric}", means[task], prog_bar=True)
        if means:
            pl_module.log(f"val/{self._metric}", mean_of(self._metric, means.values()))

    def _score(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, dict[str, float]]:
        """Of each data set, by task."""
        module = require_retriever(pl_module)
        encoder = current_encoder(trainer, module)
        sides = [module.tasks[scored.dataset.task].sides for scored in self._scored]
        corpora = [encoder.vectors(one.corpus, own.key) for one, own in zip(self._scored, sides, strict=True)]
        scores: dict[str, dict[str, float]] = defaultdict(dict)
        if not (trainer.is_global_zero or is_sharded(trainer)):
            return scores
        for scored, own, vectors in zip(self._scored, sides, corpora, strict=True):
            task, name, queries = scored.dataset.task, scored.dataset.name, scored.queries
            retriever = DenseRetriever(encoder, self._new_index, own)
            retriever.index(scored.corpus, vectors)
            rankings = retriever.retrieve(queries, self._cutoff)
            values = retrieval_scores(queries, rankings, [self._cutoff])[self._metric]
            scores[task][name] = mean_of(self._metric, values.values())
            self.per_query[f"{task}/{name}"] = values
        return scores
