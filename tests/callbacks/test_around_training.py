"""Callbacks in a real, small training run on the bundled tools."""

import csv
import io
import logging
import math

import lightning as L
import pytest
import rich
import torch
from lightning.pytorch.loggers import CSVLogger

from embedder.callbacks.last_checkpoint import LastCheckpoint
from embedder.callbacks.loss_guard import LossGuard
from embedder.callbacks.progress import TrainingProgress
from embedder.callbacks.self_paced import SelfPacedRate
from embedder.callbacks.step_log import StepLogWriter
from embedder.callbacks.stop_on_signal import StopOnSignal
from embedder.callbacks.throughput import ThroughputCallback
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError, TrainingError
from embedder.training.collate import collate
from embedder.training.module import RetrieverModule
from embedder.training.objective import Objective
from embedder.training.sampling import Group, Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Key

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def task(name):
    return Task(name, "", "", 64, 64, Objective(), Sampling(group_size=2))


def batch(encoder, step, name="tool"):
    groups = [
        Group(f"q{step}-{i}", f"who is {i}?", (Key("a", f"{i} is a"), Key("b", f"b {i}")), (True, False), None, ())
        for i in range(4)
    ]
    return collate(groups, task(name), "small", step, 4, encoder.tokenize)


def fit(tmp_path, bert_directory, callbacks, tasks=("tool",), steps=6, checkpoint=None, **settings):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    module = RetrieverModule(encoder, {name: task(name) for name in tasks}, AdamWLinear(lr=1e-3, warmup=0.0))
    batches = [batch(encoder, step, tasks[step % len(tasks)]) for step in range(steps * 2)]
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        callbacks=callbacks,
        logger=CSVLogger(tmp_path),
        log_every_n_steps=2,
        enable_model_summary=False,
        **{"enable_checkpointing": False, "enable_progress_bar": False} | settings,
    )
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None), ckpt_path=checkpoint)
    return trainer, module


class Rates(L.Callback):
    def __init__(self):
        self.seen = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.seen.append(optimizer.param_groups[0]["lr"])


def test_the_rate_follows_the_task_and_does_not_compound(tmp_path, bert_directory):
    rates, paced = Rates(), SelfPacedRate(warmup=1, smoothing=0.0, lowest=0.5, highest=2.0)
    _, module = fit(tmp_path, bert_directory, [paced, rates], tasks=("tool", "qa"))
    scheduled = [1e-3 * (6 - step) / 6 for step in range(6)]
    factors = [rate / planned for rate, planned in zip(rates.seen, scheduled, strict=True)]
    assert factors[:2] == pytest.approx([1.0, 1.0])  # no reference yet
    assert all(0.5 <= factor <= 2.0 for factor in factors)
    assert any(abs(factor - 1) > 1e-3 for factor in factors[2:])
    assert set(paced.state_dict()) == {"tool", "qa"}
    assert module.step_values["train/tool/rate_factor"] == pytest.approx(factors[::2])


def test_one_task_alone_keeps_its_schedule(tmp_path, bert_directory):
    rates = Rates()
    fit(tmp_path, bert_directory, [SelfPacedRate(warmup=1, smoothing=0.0), rates])
    assert rates.seen == pytest.approx([1e-3 * (6 - step) / 6 for step in range(6)])


def test_of_several_batches_in_a_step_the_mean_factor_counts(tmp_path, bert_directory):
    rates, paced = Rates(), SelfPacedRate(warmup=1, smoothing=0.0)
    paced._pace.load_state_dict(
        {
            "tool": {"contrastive": {"visits": 5, "decayed": 1.0, "reference": 2.0}},
            "qa": {"contrastive": {"visits": 5, "decayed": 1.0, "reference": 1.0}},
        }
    )
    fit(tmp_path, bert_directory, [paced, rates], tasks=("tool", "qa"), steps=1, accumulate_grad_batches=2)
    # Factors 0.5 of the first batch, 1 of the second.
    assert rates.seen == pytest.approx([1e-3 * 0.75])


class Poison(L.Callback):
    """Makes a weight NaN before a step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == self.step:
            with torch.no_grad():
                next(pl_module.encoder.parameters()).fill_(math.nan)


def test_a_loss_that_is_not_a_number_stops_the_run_with_the_batch_named(tmp_path, bert_directory):
    with pytest.raises(TrainingError, match=r"step 3, tool/small: the loss is nan\. .*: q3-0, q3-1, q3-2, q3-3\."):
        fit(tmp_path, bert_directory, [LossGuard(), Poison(3)])


def test_a_loss_that_grows_stops_the_run_and_a_steady_one_does_not():
    guard = LossGuard(diverged_at=2.0, warmup=2, smoothing=0.5)
    guard._batch = type("B", (), {"task": "qa", "step": 9, "dataset": "d", "query_ids": list("abcdefghij")})()
    module = RetrieverModule(torch.nn.Linear(1, 1), {}, AdamWLinear(lr=1.0))
    for loss in (1.0, 1.2, 1.5, 1.0, 3.0):  # smoothed: 1, 1.1, 1.3, 1.15, 2.075; allowed 2 x 1.1
        module.step_loss = torch.tensor(loss)
        module.step_losses = {"graded": module.step_loss}
        guard.on_before_backward(None, module, None)
    module.step_losses = {"graded": torch.tensor(3.0)}  # smoothed 2.54
    with pytest.raises(TrainingError, match=r"2 times that of the first 2 batches \(1\.1\).* g, h and 2 more"):
        guard.on_before_backward(None, module, None)
    resumed = LossGuard(diverged_at=2.0, warmup=1, smoothing=0.5)  # fewer than the losses that are kept
    resumed._batch = guard._batch
    resumed.load_state_dict(guard.state_dict())
    with pytest.raises(TrainingError, match=r"2 times that of the first 1 batches \(1\)"):
        resumed.on_before_backward(None, module, None)


def test_a_loss_that_few_batches_have_is_no_divergence():
    guard = LossGuard(diverged_at=2.0, warmup=2, smoothing=0.5)
    guard._batch = type("B", (), {"task": "qa", "step": 9, "dataset": "d", "query_ids": ["a"]})()
    module = RetrieverModule(torch.nn.Linear(1, 1), {}, AdamWLinear(lr=1.0))
    for losses in [{"contrastive": 0.1}] * 5 + [{"contrastive": 0.1, "graded": 2.0}] * 4:
        module.step_losses = {name: torch.tensor(loss) for name, loss in losses.items()}
        module.step_loss = sum(module.step_losses.values())  # 20 times the first one
        guard.on_before_backward(None, module, None)
    module.step_losses["graded"] = torch.tensor(9.0)  # smoothed 5.5 and 0.1, the first ones 2 and 0.1
    with pytest.raises(TrainingError, match=r"the smoothed loss is 5\.6, 2 times .* \(2\.1\)"):
        guard.on_before_backward(None, module, None)


def test_the_bar_says_how_many_batches_of_the_whole_run_are_done(tmp_path, bert_directory):
    def shown(**settings):
        written = io.StringIO()
        bar = TrainingProgress(leave=True, console_kwargs={"file": written, "width": 120})
        trainer, _ = fit(tmp_path, bert_directory, [bar], enable_progress_bar=True, **settings)
        rich.reconfigure()
        trainer.save_checkpoint(tmp_path / "step.ckpt")
        begin, done = written.getvalue().split()[::2][:2]
        return begin, done

    assert shown(steps=2, accumulate_grad_batches=2) == ("Training", "4/4")
    # A resumed run: 2 of 5 steps were done, and the bar goes on behind them.
    assert shown(steps=5, accumulate_grad_batches=2, checkpoint=tmp_path / "step.ckpt") == ("Training", "10/10")


def test_speed_and_padding_are_logged(tmp_path, bert_directory):
    _, module = fit(tmp_path, bert_directory, [ThroughputCallback()])
    logged = {name: values[-1] for name, values in module.step_values.items()}
    assert logged["speed/tokens_per_s"] > logged["speed/queries_per_s"] > 0
    assert 0 <= logged["speed/padding"] < 0.5
    assert 0 <= logged["speed/data_wait"] < 1
    assert 0.05 < logged["memory/peak_gb"] < 10
    useful = sum(batch(module.encoder, step).n_tokens for step in range(6))
    assert module.tokens_trained == useful <= module.encoder.tokens_run


def test_stopping_on_a_signal_needs_something_that_writes(tmp_path, bert_directory):
    with pytest.raises(ConfigError, match=r"callbacks\.plain\.last"):
        fit(tmp_path, bert_directory, [StopOnSignal()], enable_checkpointing=True)
    callbacks = [StopOnSignal(), LastCheckpoint(str(tmp_path), 100)]
    fit(tmp_path, bert_directory, callbacks, enable_checkpointing=True)
    assert (tmp_path / "last.ckpt").is_file()


def test_the_curve_of_a_task_holds_its_own_batches_only(tmp_path, bert_directory):
    _, module = fit(tmp_path, bert_directory, [StepLogWriter()], tasks=("tool", "tool", "tool", "qa"), steps=8)
    with (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").open() as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file)}
    assert set(rows) == {1, 3, 5, 7}  # every second step
    assert [step for step in rows if rows[step]["train/qa/loss"]] == [3, 7]
    assert all(float(row["train/tool/loss"]) > 0 for row in rows.values())
    assert module.step_values == {}


def test_what_was_not_written_goes_through_a_checkpoint(tmp_path, bert_directory):
    writer, again = StepLogWriter(), StepLogWriter()
    # The third step is not written.
    _, module = fit(tmp_path, bert_directory, [writer], steps=5, limit_train_batches=3, max_epochs=1)
    again.load_state_dict(writer.state_dict())
    (loss,) = module.step_values["train/tool/loss"]
    assert again.state_dict()["train/tool/loss"] == [pytest.approx(float(loss))]
    assert again.state_dict().keys() == module.step_values.keys() > {"train/tool/loss"}
