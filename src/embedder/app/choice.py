"""Which weights a run exports, the untrained ones among them, and the sentence that says what training did."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from embedder.callbacks.current_encoder import is_sharded
from embedder.callbacks.of_trainer import log_metrics
from embedder.callbacks.validation_record import Validation, ValidationRecord, gain, recorded, told_change
from embedder.encoders.checkpoint_file import encoder_weights, read_checkpoint
from embedder.encoders.encoder import TextEncoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What is exported.

    Args:
        untrained: The encoder as it was before the first step.
        weights: Of the checkpoint, by their names in the encoder; None for those that the trainer has now.
        scores: Of the exported weights in validation, by logged name.
        changes: What training did to them, in sentences.
    """

    untrained: bool = False
    weights: Mapping[str, Any] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """What the export says of its validation."""
        told = {"scores": dict(sorted(self.scores.items())), "changes": list(self.changes)}
        return told | ({"untrained": True} if self.untrained else {})

    def encoder(self, trained: TextEncoder) -> TextEncoder:
        """The encoder with these weights.

        Args:
            trained: With those that the trainer has now.
        """
        if not self.untrained and self.weights is None:
            return trained
        encoder = TextEncoder(trained.config)
        if self.weights is not None:
            encoder.load_state_dict(self.weights)
        return encoder


def choose(trainer: L.Trainer, record: ValidationRecord, last: Path) -> Choice:
    """The best checkpoint where one was kept by a score, unless the untrained encoder had a better one.

    Args:
        trainer: After training.
        record: Of its validations.
        last: The newest checkpoint, which has the last weights where each process has a part of them only.
    """
    best = next((c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)), None)
    path = Path("" if best is None else best.best_model_path)
    weights: Mapping[str, Any] | None
    if best is not None and path.is_file():
        checkpoint, monitor, mode = read_checkpoint(path), best.monitor, best.mode
        (before, after), weights = recorded(checkpoint), encoder_weights(checkpoint)
    else:
        logger.info("no best checkpoint: the last weights are exported")
        before, after, monitor, mode = record.before, record.last, None, "max"
        weights = encoder_weights(read_checkpoint(last)) if is_sharded(trainer) else None
    changes = {} if before is None or after is None else _changes(before, after, monitor)
    if before is not None and after is not None and _is_worse(before, after, changes, monitor, mode):
        harm = "training made the encoder worse, so its weights are those from before the first step"
        return Choice(True, scores=before.scores, changes=(f"{harm}: {changes[monitor or '']}",))
    if path.is_file():
        score = f" ({monitor} {after.scores[monitor]:.4f})" if monitor and after and monitor in after.scores else ""
        logger.info("exporting %s%s", path, score)
    return Choice(False, weights, {} if after is None else after.scores, tuple(changes.values()))


def optimised(trainer: L.Trainer, choice: Choice | None, name: str) -> float | None:
    """The number that a sweep optimises, and what is logged as `best/`.

    Args:
        trainer: After training; it has the last value of every logged name.
        choice: What is exported, whose score counts where there is one; None on other processes than the first.
        name: Of the number.
    """
    score = None if choice is None else choice.scores.get(name)
    value = trainer.callback_metrics.get(name) if score is None else score
    if value is None:
        logger.warning("optimise: no %s was logged; there is %s", name, sorted(trainer.callback_metrics))
        return None
    log_metrics(trainer, {f"best/{name}": float(value)}, trainer.global_step)
    return float(value)


def _changes(before: Validation, after: Validation, monitor: str | None) -> dict[str, str]:
    """What training did to the monitored score and to nDCG, in a sentence each, by the name of the score."""
    ndcg = [name for name in after.scores if name.startswith("val/ndcg@") and name != monitor]
    sentences = {name: told_change(name, before, after) for name in ([monitor] if monitor else []) + ndcg}
    return {name: sentence for name, sentence in sentences.items() if sentence is not None}


def _is_worse(
    before: Validation, after: Validation, changes: Mapping[str, str], monitor: str | None, mode: str
) -> bool:
    """Whether the untrained encoder is better by the monitored score; says what training did, loudly where harm."""
    for name, sentence in changes.items():
        if not ((change := gain(name, before, after, mode)) is not None and change < 0):
            logger.info("%s", sentence)
        elif name == monitor:
            logger.warning(
                "training made the encoder worse, so it is exported as it was before the first step: %s, the best of "
                "all validations. A lower encoder.lr, a larger data.batch_size or more training data may help",
                sentence,
            )
            return True
        else:
            logger.warning(
                "the exported encoder is worse than the untrained one on the validation queries: %s", sentence
            )
    return False
