"""Every so many steps: retrieve with the current weights, let the LLM use the keys, and log `rag/<task>/<metric>`."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import lightning as L

from embedder.bounds import PositiveInt, Seed
from embedder.callbacks.current_encoder import current_encoder, is_sharded
from embedder.callbacks.of_trainer import callbacks_of, log_metrics
from embedder.callbacks.throughput import off_the_clock
from embedder.callbacks.validation_record import ValidationRecord
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Scene, Search
from embedder.consumers.paired import measured
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import Prompt
from embedder.data.queries import first_by_hash
from embedder.data.view import with_gold_keys
from embedder.errors import ConfigError
from embedder.results.measures import mean_of
from embedder.retrieval.retrievers import DenseRetriever
from embedder.training.module import RetrieverModule, require_retriever
from embedder.training.task import Task
from embedder.types import KeyStore, LanguageModel, Query, Ranking, VectorIndex

logger = logging.getLogger(__name__)

_DEPTH = 100  # keys retrieved, or as many as the LLM is shown: those that overlap recent text are skipped


@checked("callbacks.rag_eval")
@dataclass(frozen=True)
class RagEvalSettings:
    """When the LLM answers validation queries, and how many; off while the interval is null. How is up to the consumer.

    Args:
        every_n_steps: Optimizer steps between two evaluations; there is one before the first step and after the last.
        max_answered: Validation queries of a data set, at most.
        max_keys: Size of the corpus that is searched: the gold keys and random others; None for all of it.
        seed: Chooses the queries.
    """

    every_n_steps: PositiveInt | None = None
    max_answered: PositiveInt = 100
    max_keys: PositiveInt | None = 2000
    seed: Seed = 0

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse a mix in which nothing can be answered, whatever its data are."""
        if not any(task.prompt is not None and task.consumer is not None for task in tasks.values()):
            raise ConfigError("callbacks.rag_eval", "a task with a prompt and a consumer in the mix", sorted(tasks))


@dataclass(frozen=True)
class _Part:
    """The queries of a data set that the LLM answers."""

    task: str
    name: str
    queries: list[Query]
    corpus: KeyStore
    searched: KeyStore
    """A part of the corpus; what stands around a key is read off the whole."""
    prompt: Prompt
    consumer: Consumer


class RagEvalCallback(L.Callback):
    """Lets each task's consumer work on a fixed sample of the validation queries of every data set.

    All processes encode; one retrieves and runs the LLM; all log the same numbers: whatever the consumer measures as
    `rag/<task>/<dataset>/<metric>`, and as `rag/<task>/<metric>` the mean over the data sets of the task of each metric
    that all of them have.

    Args:
        settings: When, and how much.
        datasets: The prepared data sets of the run.
        prompts: Of each data set, with its few-shot examples; None for one that no LLM answers.
        new_index: Makes an empty index.
        open_language_model: Gives the LLM, in the process that asks it; best a `CachedLanguageModel`.
    """

    def __init__(
        self,
        settings: RagEvalSettings,
        datasets: Sequence[PreparedDataset],
        prompts: Sequence[Prompt | None],
        new_index: Callable[[], VectorIndex],
        open_language_model: Callable[[], LanguageModel],
    ) -> None:
        self._settings, self._datasets, self._prompts = settings, datasets, prompts
        self._new_index, self._open_language_model = new_index, open_language_model
        self._parts: list[_Part] = []
        self._step = -1

    @cached_property
    def _language_model(self) -> LanguageModel:
        return self._open_language_model()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Read queries and corpora, so that what is wrong with them shows before the first step."""
        self._parts = []
        tasks = require_retriever(pl_module).tasks
        for dataset, prompt in zip(self._datasets, self._prompts, strict=True):
            consumer: Consumer | None = tasks[dataset.task].consumer
            answered = [query for query in dataset.validation_queries() if any(map(str.strip, query.answers))]
            if prompt is None or consumer is None or not answered:
                missing = {"prompt": prompt, "consumer": consumer, "validation query with an answer": answered}
                lacks = next(name for name, value in missing.items() if not value)
                logger.info(
                    "%s/%s has no %s, so the LLM does not answer it in training", dataset.task, dataset.name, lacks
                )
                continue
            queries = first_by_hash(answered, self._settings.max_answered, f"rag_eval/{self._settings.seed}")
            corpus = dataset.corpus
            searched = with_gold_keys(corpus, queries, self._settings.max_keys, self._settings.seed)
            self._parts.append(_Part(dataset.task, dataset.name, queries, corpus, searched, prompt, consumer))
        if not self._parts:
            names = [f"{dataset.task}/{dataset.name}" for dataset in self._datasets]
            expected = "a data set with validation queries with answers, of a task with a prompt and a consumer"
            raise ConfigError("callbacks.rag_eval", expected, names)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Answer before the first step; a resumed run has answered at its step already."""
        self._step = trainer.global_step
        if trainer.global_step == 0:
            scores = self._evaluate(trainer, require_retriever(pl_module))
            for record in callbacks_of(trainer, ValidationRecord):
                record.add_before(scores)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any, **kwargs: Any) -> None:
        """Answer if a step is done and the interval is over."""
        step, interval = trainer.global_step, self._settings.every_n_steps
        if step == self._step or not (step == trainer.max_steps or (interval and step % interval == 0)):
            return
        self._step = step
        scores = self._evaluate(trainer, require_retriever(pl_module))
        for name, value in scores.items():  # so that a checkpoint may go by it
            pl_module.log(name, value, logger=False, rank_zero_only=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Answer after the last step of a run that ends early."""
        if trainer.global_step != self._step:
            self._evaluate(trainer, require_retriever(pl_module))

    def _evaluate(self, trainer: L.Trainer, module: RetrieverModule) -> dict[str, float]:
        """Log the means, the same on all processes, and return them by their logged names."""
        begin = time.monotonic()
        own: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)  # task -> data set -> metric -> mean
        encoder, sides = current_encoder(trainer, module), [module.tasks[part.task].sides for part in self._parts]
        corpora = [encoder.vectors(part.searched, one.key) for part, one in zip(self._parts, sides, strict=True)]
        searched = zip(self._parts, sides, corpora, strict=True)
        for part, one, vectors in searched if trainer.is_global_zero or is_sharded(trainer) else ():
            retriever = DenseRetriever(encoder, self._new_index, one)
            retriever.index(part.searched, vectors)
            rankings = retriever.retrieve(part.queries, max(part.consumer.top_k, _DEPTH))
            if trainer.is_global_zero:
                search = _refuse if is_sharded(trainer) else retriever.retrieve
                own[part.task][part.name] = self._consume(part, rankings, search)
        scores: dict[str, float] = {}
        for task, by_name in trainer.strategy.broadcast(dict(own)).items():
            for name, means in by_name.items():
                scores |= {f"rag/{task}/{name}/{metric}": value for metric, value in means.items()}
            first, *others = by_name.values()
            for metric in (metric for metric in first if all(metric in means for means in others)):
                scores[f"rag/{task}/{metric}"] = mean_of(metric, [means[metric] for means in by_name.values()])
        named = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        logger.info("after %d steps: %s (%.1f s)", trainer.global_step, named, time.monotonic() - begin)
        off_the_clock(trainer)
        # At the step that is done; Lightning's own `log` would wait for `log_every_n_steps`.
        log_metrics(trainer, scores, max(trainer.global_step - 1, 0))
        return scores

    def _consume(self, part: _Part, rankings: Sequence[Ranking], search: Search) -> dict[str, float]:
        """Means by metric; one that some queries have no value of, as of options, is the mean of the others."""
        scene = Scene(part.corpus, search, self._language_model, part.prompt)
        outcomes = part.consumer.consume(part.queries, rankings, scene)
        values: dict[str, list[float]] = defaultdict(list)
        for scores in measured(outcomes, [()] * len(outcomes), self._language_model):
            for metric, value in scores.items():
                values[metric].append(value)
        return {metric: mean_of(metric, own) for metric, own in values.items()}


def _refuse(queries: Sequence[Query], top_k: int) -> NoReturn:
    """The search of an LLM that runs on one process, where all would have to encode its queries together."""
    expected = "consumers that do not search themselves: each process has a part of the encoder (callbacks.rag_eval)"
    raise ConfigError("tasks.NAME.consumer", expected, "one that does")
