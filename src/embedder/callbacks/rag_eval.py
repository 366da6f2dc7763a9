"""Every so many steps: retrieve with the current weights, let the LLM answer, and log `rag/<task>/<dataset>/em`."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import lightning as L

from embedder.callbacks.current_encoder import CurrentEncoder, is_sharded
from embedder.callbacks.throughput import off_the_clock
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import Prompt
from embedder.data.queries import first_by_hash
from embedder.data.view import with_gold_keys
from embedder.errors import ConfigError, check_types
from embedder.evaluation.retrievers import DenseRetriever
from embedder.training.module import RetrieverModule, require_retriever
from embedder.types import KeyStore, Query, Ranking, VectorIndex

logger = logging.getLogger(__name__)

METRICS = ("em", "f1", "log_likelihood")

Answer = Callable[[Sequence[Query], Sequence[Ranking], KeyStore, Prompt], Mapping[str, Mapping[str, float]]]
"""Lets the LLM answer queries with their rankings: the value of each query, by metric and id."""


@dataclass(frozen=True)
class RagEvalSettings:
    """When the LLM answers, and what; off while the interval is null.

    Args:
        every_n_steps: Optimizer steps between two times; it answers before the first step and after the last one too.
        max_queries: Held-out queries of a data set, at most.
        max_keys: Size of the corpus that is searched: the gold keys and random others; None for all of it.
        top_k: Keys shown to the LLM.
        max_new_tokens: Length of an answer.
        seed: Chooses the queries.
    """

    every_n_steps: int | None = None
    max_queries: int = 100
    max_keys: int | None = 2000
    top_k: int = 3
    max_new_tokens: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        where = "callbacks.rag_eval"
        check_types(self, where)
        for name in ("every_n_steps", "max_queries", "max_keys", "top_k", "max_new_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{where}.{name}", "1 or more", value)


@dataclass(frozen=True)
class _Part:
    """What is answered of a data set."""

    task: str
    name: str
    queries: list[Query]
    corpus: KeyStore
    prompt: Prompt


class RagEvalCallback(L.Callback):
    """Answers a fixed sample of the held-out queries of every data set that has a prompt and answers.

    One process retrieves and runs the LLM; all log the same numbers: `rag/<task>/<dataset>/em`, and their mean over the
    data sets of a task, `rag/<task>/em`.

    Args:
        settings: When, and how much.
        datasets: The prepared data sets of the run.
        prompts: Of each data set, with its solved examples; None for one that no LLM answers.
        new_index: Makes an empty index.
        answer: Lets the LLM answer.
    """

    def __init__(
        self,
        settings: RagEvalSettings,
        datasets: Sequence[PreparedDataset],
        prompts: Sequence[Prompt | None],
        new_index: Callable[[], VectorIndex],
        answer: Answer,
    ) -> None:
        self._settings, self._datasets, self._prompts = settings, datasets, prompts
        self._new_index, self._answer = new_index, answer
        self._parts: list[_Part] = []
        self._step = -1

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Read queries and corpora, so that what is wrong with them shows before the first step."""
        self._parts = []
        for dataset, prompt in zip(self._datasets, self._prompts, strict=True):
            answered = [query for query in dataset.validation_queries() if any(map(str.strip, query.answers))]
            if prompt is None or not answered:
                logger.info("%s/%s: no LLM answers it in training", dataset.task, dataset.name)
                continue
            queries = first_by_hash(answered, self._settings.max_queries, f"rag_eval/{self._settings.seed}")
            corpus = with_gold_keys(dataset.corpus(), queries, self._settings.max_keys, self._settings.seed)
            self._parts.append(_Part(dataset.task, dataset.name, queries, corpus, prompt))
        if not self._parts:
            names = [f"{dataset.task}/{dataset.name}" for dataset in self._datasets]
            raise ConfigError("callbacks.rag_eval", "a data set with a prompt and held-out queries with answers", names)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Answer before the first step; the step that a run goes on from is done."""
        self._step = trainer.global_step
        if trainer.global_step == 0:
            self._write(trainer, self._evaluate(trainer, require_retriever(pl_module)))

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Answer if a step is done and it is time."""
        step, interval = trainer.global_step, self._settings.every_n_steps
        if step == self._step or not (step == trainer.max_steps or (interval and step % interval == 0)):
            return
        self._step = step
        scores = self._evaluate(trainer, require_retriever(pl_module))
        self._write(trainer, scores)
        for name, value in scores.items():  # so that a checkpoint may go by it
            pl_module.log(name, value, logger=False, rank_zero_only=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Answer after the last step of a run that ends early."""
        if trainer.global_step != self._step:
            self._write(trainer, self._evaluate(trainer, require_retriever(pl_module)))

    def _evaluate(self, trainer: L.Trainer, module: RetrieverModule) -> dict[str, float]:
        """Means by logged name, the same on all processes."""
        begin = time.monotonic()
        own: dict[tuple[str, str], dict[str, float]] = {}
        for part in self._parts if trainer.is_global_zero or is_sharded(trainer) else ():
            rankings = self._retrieve(part, trainer, module)
            if trainer.is_global_zero:
                per_query = self._answer(part.queries, rankings, part.corpus, part.prompt)
                own[part.task, part.name] = {metric: fmean(per_query[metric].values()) for metric in METRICS}
        found = trainer.strategy.broadcast(own)
        scores: dict[str, float] = {}
        by_task: dict[str, list[dict[str, float]]] = defaultdict(list)
        for (task, name), means in found.items():
            by_task[task].append(means)
            scores |= {f"rag/{task}/{name}/{metric}": value for metric, value in means.items()}
        for task, some in by_task.items():
            scores |= {f"rag/{task}/{metric}": fmean(means[metric] for means in some) for metric in METRICS}
        told = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        logger.info("after %d steps: %s (%.1f s)", trainer.global_step, told, time.monotonic() - begin)
        off_the_clock(trainer)
        return scores

    def _retrieve(self, part: _Part, trainer: L.Trainer, module: RetrieverModule) -> list[Ranking]:
        retriever = DenseRetriever(CurrentEncoder(trainer, module), self._new_index, module.tasks[part.task].sides)
        retriever.fit(part.corpus)
        return retriever.retrieve(part.queries, self._settings.top_k)

    @staticmethod
    def _write(trainer: L.Trainer, scores: Mapping[str, float]) -> None:
        """Log at the step that is done; Lightning's own `log` would wait for `log_every_n_steps`."""
        for one in trainer.loggers:
            one.log_metrics(dict(scores), step=max(trainer.global_step - 1, 0))  # steps count from 0
