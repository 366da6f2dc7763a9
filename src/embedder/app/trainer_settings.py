"""What the settings of `lightning.Trainer` may be here, and which of them decide what a step does to the weights.

Every keyword is in one of three groups: those that have one possible value, since the batch plan has no epochs; those
that change no step; all others, whatever a new Lightning adds, have to stay the same when a run is resumed.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from embedder.checks import check_value
from embedder.errors import ConfigError
from embedder.identity import plain

_NO_EPOCHS = "the batch plan has no epochs: trainer.max_steps says how long training is"
_MEASURED = "every validation of a run is of the same kind, and before the first step there is one"
FIXED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "limit_train_batches": ((None, 1.0), _NO_EPOCHS),
    "overfit_batches": ((0.0, 0), _NO_EPOCHS),
    "fast_dev_run": ((False,), "a trial run is trainer.max_steps=2 trainer.val_check_interval=2"),
    "max_epochs": ((None, -1), _NO_EPOCHS),
    "min_epochs": ((None,), _NO_EPOCHS),
    "min_steps": ((None,), _NO_EPOCHS),
    "reload_dataloaders_every_n_epochs": ((0,), _NO_EPOCHS),
    "check_val_every_n_epoch": ((None,), "validations count batches (trainer.val_check_interval), not epochs"),
    "num_sanity_val_steps": ((0,), _MEASURED),
    "use_distributed_sampler": ((False,), "the batch plan shares out the work"),
    "barebones": ((False,), "without logging there is no validation score to choose a checkpoint by"),
}
"""Keyword -> its possible values, and why there are no others."""
FREE = frozenset(
    {
        # where and how it runs: losses agree but for rounding
        *("accelerator", "strategy", "devices", "num_nodes", "deterministic", "benchmark", "inference_mode"),
        # what is written and shown
        *("logger", "callbacks", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"),
        *("log_every_n_steps", "profiler", "detect_anomaly", "default_root_dir", "enable_autolog_hparams"),
        *("model_registry", "limit_test_batches", "limit_predict_batches"),
        # when it is validated and when it ends
        *("val_check_interval", "max_time"),
    }
)
"""Keywords that change no step."""


def trainer_keywords(make: Callable[..., L.Trainer]) -> dict[str, Any]:
    """Every keyword of the trainer with its value, set or not."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(L.Trainer.__init__).parameters.items()}
    return {**{n: v for n, v in defaults.items() if n != "self"}, **getattr(make, "keywords", {})}


def check_trainer(keywords: Mapping[str, Any]) -> None:
    """Refuse settings under which steps would repeat, or validations would not be what the run takes them for.

    Raises:
        ConfigError: Names the setting.
    """
    for name, (allowed, why) in FIXED.items():
        value = keywords[name]
        if not any(value == good and type(value) is type(good) for good in allowed):  # 1 batch is not 1.0 of them
            raise ConfigError(f"trainer.{name}", f"{allowed[0]!r}, since {why}", value)
    _check_whole("max_steps", keywords["max_steps"], f"1 or more, since {_NO_EPOCHS.partition(':')[0]}")
    _check_whole("accumulate_grad_batches", keywords["accumulate_grad_batches"], "1 or more batches of a step")
    _check_whole("val_check_interval", keywords["val_check_interval"], "a whole number of batches, 1 or more")
    # Lightning looks at the types of a few settings alone: the others would end a run in the middle.
    for name, kind in get_type_hints(L.Trainer.__init__).items():
        if name in keywords and name not in FIXED:
            check_value(f"trainer.{name}", keywords[name], kind)
    clip = keywords["gradient_clip_val"]
    if clip is not None and clip < 0:
        raise ConfigError("trainer.gradient_clip_val", "0 or more, or null for no limit", clip)
    accumulated, interval = keywords["accumulate_grad_batches"], keywords["val_check_interval"]
    if interval % accumulated:
        expected = f"a multiple of trainer.accumulate_grad_batches ({accumulated}): validations lie between steps"
        raise ConfigError("trainer.val_check_interval", expected, interval)


def _check_whole(name: str, value: Any, expected: str) -> None:
    if type(value) is not int or value < 1:
        raise ConfigError(f"trainer.{name}", expected, value)


def acting_on_steps(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that decide what a step does, as plain values."""
    acting = {name: plain(value) for name, value in keywords.items() if name not in FIXED and name not in FREE}
    acting["gradient_clip_algorithm"] = acting["gradient_clip_algorithm"] or "norm"  # what Lightning takes null for
    del acting["limit_val_batches"]  # of what is best, not of a step
    return acting


def monitored(callbacks: Mapping[str, L.Callback | None]) -> dict[str, ModelCheckpoint | EarlyStopping]:
    """The callbacks that watch a score, by name."""
    return {
        name: callback
        for name, callback in callbacks.items()
        if isinstance(callback, ModelCheckpoint | EarlyStopping) and callback.monitor is not None
    }
