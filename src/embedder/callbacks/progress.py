"""The progress bar of training, whose length is counted in steps."""

from lightning.pytorch.callbacks import RichProgressBar


class TrainingProgress(RichProgressBar):
    """Lightning's bar, with how far training is: without epochs that one reads `Epoch 0/-2`.

    Its total is wrong here, too: it is the steps that are left, but the bar counts batches, also of earlier starts.
    """

    @property
    def total_train_batches(self) -> int:
        """Batches of the whole run."""
        return self.trainer.max_steps * self.trainer.accumulate_grad_batches

    def _get_train_description(self, current_epoch: int) -> str:
        return f"{'Training':{len(self.validation_description)}}"  # as wide as the bar below it
