"""Which weights a run exports, the untrained ones among them, and the sentence that says what training did."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from embedder.callbacks.current_encoder import is_sharded
from embedder.callbacks.validation_record import Validation, ValidationRecord, gain, recorded, told_change
from embedder.encoders.checkpoint_file import encoder_weights, read_checkpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What is exported.

    Args:
        untrained: The encoder as it was before the first step.
        weights: Of the checkpoint, by their names in the encoder; None for those that the trainer has now.
        scores: Of the exported weights in validation, by logged name.
    """

    untrained: bool = False
    weights: Mapping[str, Any] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


def choose(trainer: L.Trainer, record: ValidationRecord, last: Path) -> Choice:
    """The best checkpoint where one was kept by a score, unless the untrained encoder had a better one.

    Args:
        trainer: After training.
        record: Of its validations.
        last: The newest checkpoint, which has the last weights where each process has a part of them only.
    """
    best = next((one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint)), None)
    path = Path("" if best is None else best.best_model_path)
    monitor = None if best is None else best.monitor
    if not path.is_file():
        logger.info("no best checkpoint: the last weights are exported")
        _tell(record.before, record.last, None)
        return Choice(
            weights=encoder_weights(read_checkpoint(last)) if is_sharded(trainer) else None, scores=_scores(record.last)
        )
    checkpoint = read_checkpoint(path)
    before, after = recorded(checkpoint)
    if _tell(before, after, monitor, "max" if best is None else best.mode):
        return Choice(untrained=True, scores=_scores(before))
    score = f" ({monitor} {after.scores[monitor]:.4f})" if monitor and after and monitor in after.scores else ""
    logger.info("exporting %s%s", path, score)
    return Choice(weights=encoder_weights(checkpoint), scores=_scores(after))


def _scores(validation: Validation | None) -> Mapping[str, float]:
    return {} if validation is None else validation.scores


def _tell(before: Validation | None, after: Validation | None, monitor: str | None, mode: str = "max") -> bool:
    """Say what training did, loudly where it did harm.

    Returns:
        Whether the untrained encoder is better by the monitored score.
    """
    if before is None or after is None:
        return False
    ndcg = [name for name in after.scores if name.startswith("val/ndcg@") and name != monitor]
    told = {name: told_change(name, before, after) for name in ([monitor] if monitor else []) + ndcg}
    for name, sentence in told.items():
        if sentence is None:
            continue
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
            logger.warning("the exported encoder is worse than the untrained one on held-out queries: %s", sentence)
    return False
