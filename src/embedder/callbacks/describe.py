"""Put into every checkpoint what is needed to use it: base model, pooling, instructions, lengths, probe vectors."""

from collections.abc import Callable, Mapping
from typing import Any

import lightning as L


class DescribeCallback(L.Callback):
    """Writes the description under a key of the checkpoint.

    Args:
        key: Name of the entry.
        describe: Makes the description of the current weights (plain values only).
    """

    def __init__(self, key: str, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._key, self._describe = key, describe

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add the description."""
        checkpoint[self._key] = dict(self._describe())
