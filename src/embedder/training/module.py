"""The Lightning module: encode a batch, compare, and compute the loss of the task's objective."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from embedder.losses.matryoshka import matryoshka_views
from embedder.training.collate import Batch
from embedder.training.gather import gather_rows, sum_over_processes, world_size
from embedder.training.negatives import in_batch_negatives, negatives_by_place
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.training.temperature import LearnedTemperatures

logger = logging.getLogger(__name__)


class RetrieverModule(L.LightningModule):
    """Trains a bi-encoder on homogeneous batches.

    What a step does depends on its batch, its weights and `seed` alone: not on the steps before it and, but for the
    rounding of sums and for dropout, not on the number of processes.

    Args:
        encoder: Maps tokens of a side (`query` or `key`) to unit vectors, [B, L] -> [B, D].
        tasks: The tasks of the mix, by name.
        optim: Optimizer and schedule.
        seed: Of everything random inside a step, such as dropout.
        dimensions: The loss is the mean over vectors cut to so many of their first numbers; None takes them whole.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: Mapping[str, Task],
        optim: AdamWLinear,
        seed: int = 0,
        dimensions: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = dict(tasks)
        self.temperatures = LearnedTemperatures({name: task.objective for name, task in self.tasks.items()})
        self.step_loss = torch.tensor(math.nan)
        """Loss of the last training batch, over all processes; for callbacks."""
        self.step_values: dict[str, list[Tensor | float]] = {}
        """What training batches had to log since it was last written."""
        self.tokens_trained = 0
        """Tokens of this process's training batches so far, padding not counted."""
        self._optim, self._seed, self._dimensions = optim, seed, dimensions
        self._held_out = torch.zeros(2)  # sum of losses, number of queries
        self._logged_tasks: set[str] = set()
        self._is_sharded = False

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step: random numbers depend on seed, step and process, so that a resumed run draws the same."""
        torch.manual_seed((self._seed * 1_000_003 + batch.step) * 4099 + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch: this process's share of it, so that the average over processes is the global mean."""
        self.tokens_trained += batch.n_tokens
        loss = self.loss(batch) * (len(batch.query_ids) * world_size() / batch.n_global)
        self.step_loss = sum_over_processes(loss) / world_size()
        self.log(f"train/{batch.task}/loss", self.step_loss, batch_size=batch.n_global, prog_bar=True, logger=False)
        self.add_step_value(f"train/{batch.task}/loss", self.step_loss)
        if self.tasks[batch.task].objective.learned_temperature:
            self.add_step_value(f"train/{batch.task}/temperature", self.temperatures(batch.task).detach())
        return loss

    def add_step_value(self, name: str, value: Tensor | float) -> None:
        """Log the value of a training batch, the same on all processes; the mean over some batches is written."""
        self.step_values.setdefault(name, []).append(value)

    def on_validation_epoch_start(self) -> None:
        """Forget the losses of the last validation."""
        self._held_out = torch.zeros(2, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Loss of one validation batch, against the keys of that batch."""
        loss = self.loss(batch)
        # Of fewer queries than processes every process has all.
        n = len(batch.query_ids) / (world_size() if batch.n_global < world_size() else 1)
        self._held_out += torch.stack([loss * n, loss.new_tensor(n)])
        name = f"val/{batch.task}/{batch.dataset}/loss"
        self.log(name, loss, batch_size=len(batch.query_ids), add_dataloader_idx=False, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all validation queries."""
        total, n = sum_over_processes(self._held_out)
        if n > 0:
            self.log("val/loss", total / n)

    def loss(self, batch: Batch) -> Tensor:
        """The objective of the batch's task over the local queries, which see the keys of the global batch."""
        objective = self.tasks[batch.task].objective
        queries: Tensor = self.encoder(batch.query_tokens, "query")  # [B, D]
        keys = _lay_out(self.encoder(batch.key_tokens, "key"), batch.key_present)  # [B, N, D]
        none = keys.flatten(0, 1)[:0], batch.key_present[:, :0]
        others, negatives = self._others(batch, keys) if objective.needs_others else none
        self._count(batch, negatives)
        views = (matryoshka_views(vectors, self._dimensions) for vectors in (queries, keys, others))
        temperature = self.temperatures(batch.task)
        losses = []
        # Half precision is too coarse for cosines that are divided by the temperature.
        with torch.autocast(queries.device.type, enabled=False):
            for queries_view, keys_view, others_view in zip(*views, strict=True):
                # Divided before -inf comes in, of which a learned temperature would get NaN.
                scores = torch.einsum("bd,bnd->bn", queries_view, keys_view) / temperature  # [B, N]
                scores = scores.masked_fill(~batch.key_present, -math.inf)
                other_scores = queries_view @ others_view.T / temperature  # [B, W * R * N]
                other_scores = other_scores.masked_fill(~negatives, -math.inf)
                losses.append(objective(scores, batch.rewards, batch.positives, other_scores))
        return torch.stack(losses).mean()

    def _others(self, batch: Batch, keys: Tensor) -> tuple[Tensor, Tensor]:
        """The keys of all processes, [W * R * N, D], and which of them are negatives of each query, [B, W * R * N]."""
        rows = self._rows(batch)
        all_hashes = gather_rows(batch.key_hashes, rows)  # [W * R, N]
        first = self.global_rank * rows
        negatives = in_batch_negatives(batch.key_hashes, batch.known_positive_hashes, first, all_hashes)
        return gather_rows(keys, rows).flatten(0, 1), negatives

    @staticmethod
    def _rows(batch: Batch) -> int:
        """R, the largest share of a process, in queries."""
        return max(len(batch.query_ids), -(-batch.n_global // world_size()))

    def _count(self, batch: Batch, negatives: Tensor) -> None:
        """Log how many keys a query is compared with, and say it once a task; of the queries of the first process."""
        if not self.training or self.global_rank > 0:
            return
        own, local, remote = negatives_by_place(batch.key_present, negatives, self.global_rank * self._rows(batch))
        for where, n in (("group", own), ("batch", local), ("devices", remote)):
            self.add_step_value(f"train/{batch.task}/negatives_{where}", n)
        if batch.task in self._logged_tasks:
            return
        self._logged_tasks.add(batch.task)
        logger.info(
            "%s: each query sees %.4g negatives: %.4g of its group, %.4g in batch, %.4g across devices",
            batch.task,
            own + local + remote,
            own,
            local,
            remote,
        )

    def configure_model(self) -> None:
        """Distribute the weights over the processes if the strategy needs it (FSDP2), layer by layer."""
        mesh = self.device_mesh
        if mesh is None or self._is_sharded:
            return
        self._is_sharded = True
        self.encoder.in_one_pass = True  # type: ignore[assignment]  # torch types every attribute as a module
        from torch.distributed.fsdp import fully_shard

        lists = [module for module in self.encoder.modules() if isinstance(module, nn.ModuleList)]
        layers = [layer for layer_list in lists for layer in layer_list]
        whole = [self.temperatures] if list(self.temperatures.parameters()) else []
        for part in [*layers, self.encoder, *whole]:
            fully_shard(part, mesh=mesh["data_parallel"])

    def configure_optimizers(self) -> Any:
        """AdamW, its rate stepped at every optimizer step."""
        optimizer = self._optim.optimizer(
            self.encoder.named_parameters(),
            self.temperatures.parameters(),
            mixed_precision="mixed" in str(self.trainer.precision),
        )
        factor = self._optim.factor(int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": "lr"}}


def _lay_out(vectors: Tensor, present: Tensor) -> Tensor:
    """Vectors of the keys that exist, [K, D], put at their positions; zeros elsewhere, [B, N, D]."""
    positions = present.flatten().nonzero().squeeze(1)  # [K]
    flat = vectors.new_zeros(present.numel(), vectors.shape[-1]).index_copy(0, positions, vectors)
    return flat.view(*present.shape, -1)


def require_retriever(module: L.LightningModule) -> RetrieverModule:
    """The module as a `RetrieverModule`, which the callbacks of this project need."""
    if not isinstance(module, RetrieverModule):
        raise TypeError(f"this callback works with RetrieverModule, not with {type(module).__name__}")
    return module
