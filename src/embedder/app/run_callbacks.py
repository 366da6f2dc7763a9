"""The callbacks of a training run that need its data, and the order in which all of them come."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from embedder.app.monitors import by_loss
from embedder.callbacks.mining import Miner
from embedder.callbacks.of_trainer import callbacks_of
from embedder.callbacks.rag_eval import RagEvalCallback, RagEvalSettings
from embedder.callbacks.refresh import Refresh
from embedder.callbacks.reindex import ReindexCallback
from embedder.callbacks.reindex_settings import ReindexSettings
from embedder.callbacks.reward_histograms import RewardHistograms
from embedder.callbacks.step_log import StepLogWriter
from embedder.data.prepared import PreparedDataset
from embedder.encoders.checkpoint_file import encoder_of_snapshot
from embedder.encoders.config import EncoderConfig
from embedder.llm.cached_lm import CachedLanguageModel
from embedder.metrics.text import has_answer
from embedder.preparation.few_shot import shown_prompt
from embedder.preparation.preparation import Preparation
from embedder.preparation.record_judge import RecordJudges
from embedder.training.task import Task
from embedder.types import VectorIndex

_NEGATIVES = "negatives"  # folder of a run


def add_callbacks(
    trainer: L.Trainer,
    datasets: Sequence[PreparedDataset],
    scoring: Sequence[L.Callback],
    working: Sequence[L.Callback],
) -> None:
    """Add the callbacks that need the data to those that the trainer has.

    Scores come first, what is written for others last, and checkpoints after all. Where no query of validation is
    labelled, what goes by nDCG goes by the loss.

    Args:
        trainer: With its own callbacks.
        datasets: The prepared data sets of the run.
        scoring: What scores a validation, and what keeps the scores.
        working: Callbacks that run the LLM or find new negatives.
    """
    callbacks = [
        *scoring,
        *(callback for callback in callbacks_of(trainer, L.Callback) if not isinstance(callback, Checkpoint)),
        *working,
        RewardHistograms(datasets),
        StepLogWriter(),
        *trainer.checkpoint_callbacks,
    ]
    if not any(query.positives for dataset in datasets for query in dataset.validation_queries()):
        callbacks = [by_loss(callback) for callback in callbacks]
    trainer.callbacks = callbacks  # type: ignore[attr-defined]  # Lightning's own attribute


def answering(
    settings: RagEvalSettings,
    preparation: Preparation,
    tasks: Mapping[str, Task],
    datasets: Sequence[PreparedDataset],
    new_index: Callable[[], VectorIndex],
) -> list[L.Callback]:
    """What lets the LLM answer queries of validation; nothing where that is off."""
    if settings.every_n_steps is None:
        return []
    prompts = [
        shown_prompt(task, source, prepared.corpus)
        for (task, source), prepared in zip(preparation.datasets(tasks), datasets, strict=True)
    ]
    rewards = preparation.rewards
    open_language_model = partial(CachedLanguageModel, rewards.language_model, Path(rewards.store))
    return [RagEvalCallback(settings, datasets, prompts, new_index, open_language_model)]


def reindexing(
    settings: ReindexSettings, refresh: Refresh, encoder: EncoderConfig, output_dir: Path, checkpoint: Path | None
) -> list[L.Callback]:
    """The callback that finds new negatives, into a folder of the run; none where that is off.

    A checkpoint that the run resumes from may have its negatives in the folder of an earlier run.
    """
    if not settings.is_on:
        return []
    open_encoder = partial(encoder_of_snapshot, encoder, settings.device or "auto")
    earlier = None if checkpoint is None else checkpoint.parent.parent / _NEGATIVES
    return [ReindexCallback(settings, refresh, open_encoder, output_dir / _NEGATIVES, earlier)]


def refreshing(
    settings: ReindexSettings, preparation: Preparation, tasks: Mapping[str, Task], new_index: Callable[[], VectorIndex]
) -> Refresh:
    """How new negatives are found, and judged as preparation judges."""
    miner = Miner(settings.candidates, new_index, has_answer)
    return Refresh(miner, RecordJudges(preparation, tasks), settings.llm_tokens)
