"""The checkpoint with the best score, and the stop when scores no longer improve; the metric says what is better."""

from collections.abc import Mapping
from typing import Any, get_type_hints

from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from embedder.checks import check_value
from embedder.errors import ConfigError
from embedder.results.measures import known_sign

_BEST, _STOP = "callbacks.plain.best", "callbacks.plain.early_stopping"
# With these a checkpoint is written at a step whose score is not there yet: that of earlier weights would be taken.
_NOT_AFTER_A_VALIDATION = ("every_n_train_steps", "train_time_interval", "every_n_epochs", "save_on_train_epoch_end")


def best_checkpoint(monitor: str | None, mode: str = "auto", save_top_k: int = 1, **settings: Any) -> ModelCheckpoint:
    """Lightning's `ModelCheckpoint`, which keeps the best of all validations.

    Args:
        monitor: A logged name, such as `val/ndcg@10`; None keeps the newest checkpoint.
        mode: `auto` takes the direction of the metric; `max` or `min` for a metric that is not known here.
        save_top_k: How many are kept; -1 for all.
        settings: Others of `ModelCheckpoint`.

    Raises:
        ConfigError: The mode contradicts the metric, or is not known; checkpoints would not follow validations.
    """
    if save_top_k == 0:
        expected = "1 or more, or -1 for all (callbacks.plain.best=null exports the last weights)"
        raise ConfigError(f"{_BEST}.save_top_k", expected, save_top_k)
    if monitor is None:
        return ModelCheckpoint(monitor=None, save_top_k=save_top_k, **settings)
    _check(ModelCheckpoint, {"save_top_k": save_top_k, **settings}, _BEST)
    _refuse(settings, _BEST, _NOT_AFTER_A_VALIDATION, "null, since the best checkpoint is chosen after a validation")
    return ModelCheckpoint(monitor=monitor, mode=direction(_BEST, monitor, mode), save_top_k=save_top_k, **settings)


def early_stopping(monitor: str, mode: str = "auto", **settings: Any) -> EarlyStopping:
    """Lightning's `EarlyStopping`; see `best_checkpoint` for `monitor` and `mode`.

    Raises:
        ConfigError: The mode contradicts the metric, or is not known; it would never look at a score.
    """
    _check(EarlyStopping, settings, _STOP)
    _refuse(settings, _STOP, ("check_on_train_epoch_end",), "null, since it looks at a score after each validation")
    if settings.get("patience", 0) < 0:
        raise ConfigError(f"{_STOP}.patience", "0 or more validations", settings["patience"])
    return EarlyStopping(monitor=monitor, mode=direction(_STOP, monitor, mode), **settings)


def direction(setting: str, monitor: str, mode: str) -> str:
    """Whether more or less of a logged metric is better, `max` or `min`.

    >>> direction("callbacks.plain.best", "val/ndcg@10", "auto")
    'max'

    Args:
        setting: Where `mode` stands, for messages.
        monitor: The logged name.
        mode: What is set: `auto`, `max` or `min`.

    Raises:
        ConfigError: It contradicts the metric; or it is `auto` and the metric is not known.
    """
    if mode not in ("auto", "max", "min"):
        raise ConfigError(f"{setting}.mode", "auto, max or min", mode)
    sign = known_sign(monitor)
    if sign is None:
        if mode == "auto":
            raise ConfigError(f"{setting}.mode", f"max or min: which of both is better of {monitor!r} is unknown", mode)
        return mode
    better = "max" if sign > 0 else "min"
    if mode not in ("auto", better):
        raise ConfigError(f"{setting}.mode", f"auto or {better}, which is better of {monitor!r}", mode)
    return better


def _check(kind: type, settings: Mapping[str, Any], where: str) -> None:
    """Hold types against those of Lightning, which does not: text as a count ends a run at its second validation."""
    kinds = get_type_hints(kind.__init__)  # type: ignore[misc]  # of a class that is asked about, not of an instance
    for name, value in settings.items():
        check_value(f"{where}.{name}", value, kinds.get(name, Any))


def _refuse(settings: Mapping[str, Any], where: str, names: tuple[str, ...], expected: str) -> None:
    for name in names:
        if settings.get(name) not in (None, False):
            raise ConfigError(f"{where}.{name}", expected, settings[name])
