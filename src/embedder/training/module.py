"""The Lightning module: encode a batch, compare, and compute the loss of the task's objective."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import lightning as L
import torch
from torch import Tensor, nn

from embedder.losses.matryoshka import matryoshka_views
from embedder.processes import Processes
from embedder.training.collate import Batch, MixedBatch
from embedder.training.gather import gather_rows, sum_over_processes
from embedder.training.negatives import in_batch_negatives, negatives_by_place
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.training.temperature import LearnedTemperatures

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Others:
    """The keys of a batch over all processes, which are negatives of queries that do not have them in their group."""

    vectors: Tensor
    """[M, D]"""
    hashes: Tensor
    """Of their texts, [M]; 0 where absent."""
    local: Tensor
    """Which are of this process, bool [M]."""

    @classmethod
    def none(cls, keys: Tensor) -> Self:
        """No keys, beside these, [B, N, D]."""
        empty = torch.zeros(0, dtype=torch.long, device=keys.device)
        return cls(keys.flatten(0, 1)[:0], empty, empty.bool())


class RetrieverModule(L.LightningModule):
    """Trains a bi-encoder on batches of one task or of all.

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
        self.step_losses: dict[str, Tensor] = {}
        """Its parts: each loss that applied to a record of the batch, by name, times its weight."""
        self.step_values: dict[str, list[Tensor | float]] = {}
        """What training batches had to log since it was last written."""
        self.tokens_trained = 0
        """Tokens of this process's training batches so far, padding not counted."""
        self._optim, self._seed, self._dimensions = optim, seed, dimensions
        self._held_out: dict[tuple[str, str], Tensor] = {}
        self._logged_tasks: set[str] = set()
        self._is_sharded = False

    def on_train_batch_start(self, batch: Batch | MixedBatch, batch_idx: int) -> None:
        """Seed the step: random numbers depend on seed, step and process, so that a resumed run draws the same."""
        torch.manual_seed((self._seed * 1_000_003 + batch.step) * 4099 + self.global_rank)

    def training_step(self, batch: Batch | MixedBatch, batch_idx: int) -> Tensor:
        """Loss of one batch: this process's share of it, so that the average over processes is that of the batch.

        Each loss is a mean over the records that it applies to on all processes, so the gradient of the whole batch
        does not depend on how many of them a process has. A part of a mixed batch counts by its queries.
        """
        self.tokens_trained += batch.n_tokens
        counts = sum_over_processes(self._counts(batch))  # [L], before the forward pass: waited for without delay
        means = self.losses(batch) / counts.clamp(min=1)  # [L], of the local records over all of them
        weights = self._weights(batch)
        self._note_losses(batch, sum_over_processes(means), weights, counts)
        return (weights * means).sum() * Processes.here().size

    def _note_losses(self, batch: Batch | MixedBatch, means: Tensor, weights: Tensor, counts: Tensor) -> None:
        """Keep the losses of a training batch for callbacks, and log them.

        Args:
            batch: Of the step.
            means: Of each loss, over the records that it applies to, [L].
            weights: Of each loss, [L].
            counts: How many records these are, [L].
        """
        self.step_losses, self.step_loss = {}, (weights * means).sum()
        self.log(f"train/{batch.task}/loss", self.step_loss, batch_size=batch.n_global, prog_bar=True, logger=False)
        losses, queries = {batch.task: self.step_loss}, {batch.task: batch.n_global}
        first = 0
        for part in batch.parts:
            own = slice(first, first + len(self.tasks[part.task].objective.used))
            of = "" if part is batch else f"{part.task}/{part.dataset}/"
            self._note_part(part, means[own], weights[own], counts[own], of)
            if part is not batch:  # beside the loss of a mixed batch, that of each task
                losses[part.task] = losses.get(part.task, self.step_loss * 0) + (weights[own] * means[own]).sum()
                queries[part.task] = queries.get(part.task, 0) + part.n_global
            first = own.stop
        for task, loss in losses.items():  # the weights of a part hold its share of the queries of the batch
            self.add_step_value(f"train/{task}/loss", loss * (batch.n_global / queries[task]))

    def _note_part(self, part: Batch, means: Tensor, weights: Tensor, counts: Tensor, of: str) -> None:
        """The same for each part, whose losses have `of` in front of their names."""
        task, names = part.task, list(self.tasks[part.task].objective.used)
        applied = [k for k, count in enumerate(counts.tolist()) if count]
        self.step_losses |= {f"{of}{names[k]}": weights[k] * means[k] for k in applied}
        if len(names) > 1:
            for k, name in enumerate(names):
                self.add_step_value(f"train/{task}/records_{name}", counts[k])
            for k in applied:
                self.add_step_value(f"train/{task}/loss_{names[k]}", means[k])
        if self.tasks[task].objective.learned_temperature:
            self.add_step_value(f"train/{task}/temperature", self.temperatures(task).detach())

    def add_step_value(self, name: str, value: Tensor | float) -> None:
        """Log the value of a training batch, the same on all processes; the mean over some batches is written."""
        self.step_values.setdefault(name, []).append(value)

    def on_validation_epoch_start(self) -> None:
        """Forget the losses of the last validation."""
        self._held_out = {}

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Losses of one validation batch, against the keys of that batch."""
        n = torch.tensor([float(len(batch.query_ids))], device=self.device)
        sums = torch.cat([self.losses(batch), self._counts(batch), n])  # [2 L + 1]
        if batch.n_global < Processes.here().size:  # every process has all queries
            sums = sums / Processes.here().size
        name = batch.task, batch.dataset
        self._held_out[name] = self._held_out.get(name, torch.zeros_like(sums)) + sums

    def on_validation_epoch_end(self) -> None:
        """Log the loss of each data set, each of its losses over all records that it applies to, and their mean."""
        total = queries = 0.0
        for (task, dataset), sums in self._held_out.items():
            *parts, n = sum_over_processes(sums).double().tolist()
            weights = self.tasks[task].objective.weights
            means = [
                part / max(count, 1.0) for part, count in zip(parts[: len(weights)], parts[len(weights) :], strict=True)
            ]
            loss = sum(weight * mean for weight, mean in zip(weights, means, strict=True))
            self.log(f"val/{task}/{dataset}/loss", loss)
            total, queries = total + n * loss, queries + n
        if queries:
            self.log("val/loss", total / queries)

    def loss(self, batch: Batch | MixedBatch) -> Tensor:
        """The loss of a batch whose records are all here; see `Objective`."""
        return (self._weights(batch) * self.losses(batch) / self._counts(batch).clamp(min=1)).sum()

    def _weights(self, batch: Batch | MixedBatch) -> Tensor:
        """How much each loss of each part counts, [L]."""
        shares = [part.n_global / batch.n_global for part in batch.parts]
        of_parts = [self.tasks[part.task].objective.weights for part in batch.parts]
        weights = [share * weight for share, own in zip(shares, of_parts, strict=True) for weight in own]
        return torch.tensor(weights, device=self.device)

    def _counts(self, batch: Batch | MixedBatch) -> Tensor:
        """How many of the local records each loss of each part applies to, [L]."""
        objectives = [self.tasks[part.task].objective for part in batch.parts]
        applied = [one.applies(part.positives, part.judged) for one, part in zip(objectives, batch.parts, strict=True)]
        return torch.cat([of_part.sum(dim=1).float() for of_part in applied])

    def losses(self, batch: Batch | MixedBatch) -> Tensor:
        """Each loss of each part, summed over the local queries, which see the keys of the global batch, [L]."""
        queries = [self.encoder(part.query_tokens, "query") for part in batch.parts]  # of each [B, D]
        keys = [_lay_out(self.encoder(part.key_tokens, "key"), part.key_present) for part in batch.parts]  # [B, N, D]
        needs_others = any(self.tasks[part.task].objective.needs_others for part in batch.parts)
        others = self._others(batch.parts, keys) if needs_others else _Others.none(keys[0])
        of_parts = [self._losses(*one, others) for one in zip(batch.parts, queries, keys, strict=True)]
        return torch.cat(of_parts)

    def _losses(self, part: Batch, queries: Tensor, keys: Tensor, others: _Others) -> Tensor:
        """Each loss of a part, summed over its queries, [L].

        Args:
            part: Of one task.
            queries: Their vectors, [B, D].
            keys: Of their groups, [B, N, D].
            others: The keys of all queries.
        """
        objective = self.tasks[part.task].objective
        if not objective.needs_others:
            others = _Others.none(keys)
        negatives = in_batch_negatives(part.key_hashes, part.known_positive_hashes, others.hashes)  # [B, M]
        self._count(part, negatives, others.local)
        views = (matryoshka_views(vectors, self._dimensions) for vectors in (queries, keys, others.vectors))
        temperature = self.temperatures(part.task)
        losses = []
        # Half precision is too coarse for cosines that are divided by the temperature.
        with torch.autocast(queries.device.type, enabled=False):
            for queries_view, keys_view, others_view in zip(*views, strict=True):
                # Divided before -inf comes in, of which a learned temperature would get NaN.
                scores = torch.einsum("bd,bnd->bn", queries_view, keys_view) / temperature  # [B, N]
                scores = scores.masked_fill(~part.key_present, -math.inf)
                other_scores = queries_view @ others_view.T / temperature  # [B, M]
                other_scores = other_scores.masked_fill(~negatives, -math.inf)
                of_view = objective(scores, part.rewards, part.positives, part.judged, other_scores)  # [L, B]
                losses.append(of_view.sum(dim=1))
        return torch.stack(losses).mean(dim=0)

    def _others(self, parts: Sequence[Batch], keys: Sequence[Tensor]) -> _Others:
        """The keys of all processes, part after part; M is the sum of W * R * N over them."""
        size = Processes.here().size
        rows = [max(len(part.query_ids), -(-part.n_global // size)) for part in parts]  # R, the largest share
        hashes = [gather_rows(part.key_hashes, most) for part, most in zip(parts, rows, strict=True)]  # [W * R, N]
        local = [torch.zeros_like(own, dtype=torch.bool) for own in hashes]
        for mine, part, most in zip(local, parts, rows, strict=True):
            mine[self.global_rank * most : self.global_rank * most + len(part.query_ids)] = True
        return _Others(
            torch.cat([gather_rows(own, most).flatten(0, 1) for own, most in zip(keys, rows, strict=True)]),
            torch.cat([own.flatten() for own in hashes]),
            torch.cat([mine.flatten() for mine in local]),
        )

    def _count(self, part: Batch, negatives: Tensor, local: Tensor) -> None:
        """Log how many keys a query is compared with, and say it once a task; of the queries of the first process."""
        if not self.training or self.global_rank > 0:
            return
        own, here, remote = negatives_by_place(part.key_present, negatives, local)
        for where, n in (("group", own), ("batch", here), ("devices", remote)):
            self.add_step_value(f"train/{part.task}/negatives_{where}", n)
        if part.task in self._logged_tasks:
            return
        self._logged_tasks.add(part.task)
        logger.info(
            "%s: each query sees %.4g negatives: %.4g of its group, %.4g in batch, %.4g across devices",
            part.task,
            own + here + remote,
            own,
            here,
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
