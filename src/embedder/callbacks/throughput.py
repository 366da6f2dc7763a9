"""How fast training goes and what it waits for: tokens a second, padding, time without data, memory."""

import resource
import sys
import time
from typing import Any

import lightning as L
import torch

from embedder.callbacks.of_trainer import callbacks_of
from embedder.training.collate import Batch, MixedBatch
from embedder.training.gather import sum_over_processes
from embedder.training.module import RetrieverModule, require_retriever

_GB = 1 << 30


class ThroughputCallback(L.Callback):
    """Logs how fast training goes, every `trainer.log_every_n_steps` batches and over all processes.

    `speed/tokens_per_s` (without padding), `speed/queries_per_s`, `speed/padding` (share of the tokens that the encoder
    ran for nothing), `speed/data_wait` (share of the time between batches: waiting for data, and checkpoints written in
    between), `memory/peak_gb` (most that the first process had so far: on the GPU where there is one, else resident).
    Validation, answers of the LLM and new negatives are not counted.
    """

    def __init__(self) -> None:
        self._started = self._ended = self._worked = self._waited = 0.0
        self._queries = self._batches = self._run = self._run_before = self._trained_before = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The clock starts."""
        self._start_over(require_retriever(pl_module))

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch | MixedBatch, *_: Any
    ) -> None:
        """A batch is there."""
        self._started = time.perf_counter()
        self._waited += self._started - self._ended
        self._run_before = _tokens_run(pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch | MixedBatch, batch_idx: int
    ) -> None:
        """Count it, and log if it is time."""
        module = require_retriever(pl_module)
        self._worked += time.perf_counter() - self._started
        self._run += _tokens_run(module) - self._run_before  # not those of validation
        self._queries += batch.n_global
        self._batches += 1
        if self._batches == trainer.log_every_n_steps:  # type: ignore[attr-defined]
            self._log(module)
            self._start_over(module)
        self._ended = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Validation is not counted."""
        self.start_waiting()

    def start_waiting(self) -> None:
        """What came since the last batch was no waiting for data."""
        self._ended = time.perf_counter()

    def _log(self, module: RetrieverModule) -> None:
        tokens = [module.tokens_trained - self._trained_before, self._run]
        useful, run = sum_over_processes(torch.tensor(tokens, dtype=torch.float32, device=module.device)).tolist()
        seconds = self._worked + self._waited
        values = {
            "speed/tokens_per_s": useful / seconds,
            "speed/queries_per_s": self._queries / seconds,
            "speed/padding": 1 - useful / run,
            "speed/data_wait": self._waited / seconds,
            "memory/peak_gb": peak_memory(module.device) / _GB,
        }
        for name, value in values.items():
            module.add_step_value(name, value)

    def _start_over(self, module: RetrieverModule) -> None:
        self._worked = self._waited = 0.0
        self._queries = self._batches = self._run = 0
        self._trained_before = module.tokens_trained
        self._ended = time.perf_counter()


def off_the_clock(trainer: L.Trainer) -> None:
    """Leave the time since the last batch out of the speed: called after work between batches that is no training."""
    for callback in callbacks_of(trainer, ThroughputCallback):
        callback.start_waiting()


def _tokens_run(module: L.LightningModule) -> int:
    count: int = require_retriever(module).encoder.tokens_run  # type: ignore[assignment]  # torch types it as a module
    return count


def peak_memory(device: torch.device) -> int:
    """Most bytes so far: allocated on a GPU, or resident of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
