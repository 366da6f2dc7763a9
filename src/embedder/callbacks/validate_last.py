"""Validate the last weights too, however the number of steps and the interval of validations fit together."""

from typing import Any

import lightning as L


class ValidateLast(L.Callback):
    """Asks for a validation after the last step, which could otherwise never become the best checkpoint."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """A trainer that should stop validates first."""
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True
