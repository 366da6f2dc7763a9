"""Low-rank adapters: train a few weights beside the frozen ones of a large backbone, and merge them for export."""

import copy
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from embedder.bounds import PositiveFloat, PositiveInt, ShareBelowOne
from embedder.checks import checked
from embedder.errors import ConfigError, MissingExtraError, extra


@checked("encoder.lora")
@dataclass(frozen=True)
class LoraSettings:
    """Adapters W + (alpha / r) B A, with B zero at the start: the untrained adapter changes nothing.

    Source: Hu et al., LoRA (arXiv 2106.09685).

    Args:
        r: Rank of A and B.
        alpha: Scale of their product, over `r`.
        dropout: On the adapter's input, in training.
        target_modules: `all-linear`, or the names of the linear layers that get one, such as `[q_proj, v_proj]`.
    """

    r: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dropout: ShareBelowOne = 0.0
    target_modules: str | Sequence[str] = "all-linear"

    def __post_init__(self) -> None:
        if not self.target_modules or (isinstance(self.target_modules, str) and self.target_modules != "all-linear"):
            raise ConfigError("encoder.lora.target_modules", "all-linear or a list of names", self.target_modules)


def add_lora(backbone: Any, settings: LoraSettings) -> Any:
    """The backbone with adapters, its own weights frozen.

    Raises:
        MissingExtraError: peft is not installed.
        ConfigError: The backbone has no layer of that name.
    """
    if importlib.util.find_spec("peft") is None:
        raise MissingExtraError("peft", extra("lora"), "encoder.lora")
    from peft import LoraConfig, get_peft_model

    targets = settings.target_modules if isinstance(settings.target_modules, str) else list(settings.target_modules)
    # peft declares whole numbers for alpha; it only divides by it.
    adapter = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    try:
        return get_peft_model(backbone, adapter)
    except ValueError as error:
        expected = f"all-linear or names of linear layers of {type(backbone).__name__}"
        raise ConfigError("encoder.lora.target_modules", expected, targets) from error


def merged(backbone: Any) -> Any:
    """A copy of the backbone with the adapters, if it has any, added into its weights."""
    return copy.deepcopy(backbone).merge_and_unload() if has_adapters(backbone) else backbone


def without_adapters(backbone: Any) -> Any:
    """A copy of the backbone as it was before it got adapters."""
    return copy.deepcopy(backbone).unload() if has_adapters(backbone) else backbone


def has_adapters(backbone: Any) -> bool:
    """Whether `add_lora` made it."""
    return hasattr(backbone, "merge_and_unload")


@contextmanager
def as_base(backbone: Any) -> Iterator[None]:
    """Run the backbone as the base encoder that it was: past its adapters, without dropout."""
    was_training = backbone.training
    trained = [parameter.requires_grad for parameter in backbone.parameters()]
    backbone.eval()
    try:
        with backbone.disable_adapter() if has_adapters(backbone) else nullcontext():
            yield
    finally:
        backbone.train(was_training)
        for parameter, is_trained in zip(backbone.parameters(), trained, strict=True):
            parameter.requires_grad_(is_trained)  # peft takes it off all adapters, and gives it to all
