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
        return {"scores": dict(sorted(self.scores.items())), "changes": list(self.changes)}

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
    monitor = None if best is None else best.monitor
    if not path.is_file():
        logger.info("no best checkpoint: the last weights are exported")
        _report_change(record.before, record.last, None)
        weights = encoder_weights(read_checkpoint(last)) if is_sharded(trainer) else None
        return Choice(False, weights, _scores(record.last), _sentences(record.before, record.last, None))
    checkpoint = read_checkpoint(path)
    before, after = recorded(checkpoint)
    if _report_change(before, after, monitor, "max" if best is None else best.mode):
        return Choice(untrained=True, scores=_scores(before))
    score = f" ({monitor} {after.scores[monitor]:.4f})" if monitor and after and monitor in after.scores else ""
    logger.info("exporting %s%s", path, score)
    return Choice(False, encoder_weights(checkpoint), _scores(after), _sentences(before, after, monitor))


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


def _scores(validation: Validation | None) -> Mapping[str, float]:
    return {} if validation is None else validation.scores


def _report_change(before: Validation | None, after: Validation | None, monitor: str | None, mode: str = "max") -> bool:
    """Say what training did, loudly where it did harm.

    Returns:
        Whether the untrained encoder is better by the monitored score.
    """
    if before is None or after is None:
        return False
    for name, sentence in _told(before, after, monitor).items():
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


def _told(before: Validation, after: Validation, monitor: str | None) -> dict[str, str]:
    """What training did to the monitored score and to nDCG, in a sentence each, by the name of the score."""
    ndcg = [name for name in after.scores if name.startswith("val/ndcg@") and name != monitor]
    told = {name: told_change(name, before, after) for name in ([monitor] if monitor else []) + ndcg}
    return {name: sentence for name, sentence in told.items() if sentence is not None}


def _sentences(before: Validation | None, after: Validation | None, monitor: str | None) -> tuple[str, ...]:
    return () if before is None or after is None else tuple(_told(before, after, monitor).values())
