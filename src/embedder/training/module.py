"""The Lightning module: encode a batch, compare, and let the task's objective speak."""

import math
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedder.training.collate import Batch
from embedder.training.gather import gather_rows, largest
from embedder.training.negatives import in_batch_negatives
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task


class RetrieverModule(L.LightningModule):
    """Trains a bi-encoder on homogeneous batches.

    Args:
        encoder: Maps tokens of a side (`query` or `key`) to unit vectors, [B, L] -> [B, D].
        tasks: The tasks of the mix, by name.
        optim: Optimizer and schedule.
    """

    def __init__(self, encoder: nn.Module, tasks: Mapping[str, Task], optim: AdamWLinear) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = dict(tasks)
        self._optim = optim
        self._held_out_losses: list[Tensor] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch."""
        loss = self.loss(batch)
        self.log(
            f"train/{batch.task}/loss", loss.detach(), batch_size=len(batch.query_ids), prog_bar=True, sync_dist=True
        )
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Loss of one held-out batch, against the keys of that batch."""
        loss = self.loss(batch)
        self._held_out_losses.append(loss.detach())
        self.log(
            f"val/{batch.task}/{batch.dataset}/loss",
            loss,
            batch_size=len(batch.query_ids),
            add_dataloader_idx=False,
            sync_dist=True,
        )

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all held-out batches."""
        if self._held_out_losses:
            self.log("val/loss", torch.stack(self._held_out_losses).mean(), sync_dist=True)
            self._held_out_losses.clear()

    def loss(self, batch: Batch) -> Tensor:
        """The objective of the batch's task over the global batch, averaged over the local queries."""
        queries: Tensor = self.encoder(batch.query_tokens, "query")  # [B, D]
        keys = self._lay_out(self.encoder(batch.key_tokens, "key"), batch.key_present)  # [B, N, D]
        n = largest(keys.shape[1], keys.device)
        keys, present, positives, hashes = (
            _widen(tensor, n) for tensor in (keys, batch.key_present, batch.positives, batch.key_hashes)
        )
        cosines = torch.einsum("bd,bnd->bn", queries, keys).masked_fill(~present, -math.inf)  # [B, N]
        other_cosines = queries @ gather_rows(keys).flatten(0, 1).T  # [B, W * B * N]
        negatives = in_batch_negatives(
            hashes, batch.known_positive_hashes, self.global_rank * len(queries), gather_rows(hashes)
        )
        rewards = None if batch.rewards is None else _widen(batch.rewards, n, fill=-math.inf)
        objective = self.tasks[batch.task].objective
        return objective(cosines.float(), rewards, positives, other_cosines.float().masked_fill(~negatives, -math.inf))

    def configure_optimizers(self) -> Any:
        """AdamW, its rate stepped at every optimizer step."""
        optimizer = self._optim.optimizer(self.encoder.named_parameters())
        factor = self._optim.factor(int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"}}

    @staticmethod
    def _lay_out(vectors: Tensor, present: Tensor) -> Tensor:
        """Vectors of the keys that exist, [K, D], put at their places; zeros elsewhere, [B, N, D]."""
        places = present.flatten().nonzero().squeeze(1)  # [K]
        flat = vectors.new_zeros(present.numel(), vectors.shape[-1]).index_copy(0, places, vectors)
        return flat.view(*present.shape, -1)


def _widen(tensor: Tensor, n: int, fill: float = 0.0) -> Tensor:
    """Pad dimension 1 to `n`, so that groups of all processes have one shape."""
    missing = n - tensor.shape[1]
    return F.pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, missing), value=fill) if missing else tensor
