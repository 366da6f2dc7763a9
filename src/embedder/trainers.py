"""What Lightning refuses of the settings of a trainer, in the words of a setting."""

from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.accelerators import AcceleratorRegistry

from embedder.errors import ConfigError, EmbedderError
from embedder.shown import shown


def built(make: Callable[..., L.Trainer], keywords: Mapping[str, Any], **more: Any) -> L.Trainer:
    """A trainer.

    Args:
        make: `lightning.Trainer` with the settings of the user.
        keywords: Those settings.
        more: What the project sets beside them.

    Raises:
        EmbedderError: Lightning refuses a setting, such as an accelerator that is not there.
    """
    try:
        return make(**more)
    except (TypeError, ValueError, ImportError, MisconfigurationException) as error:
        raise _refused(error, keywords) from error


def _refused(error: Exception, keywords: Mapping[str, Any]) -> EmbedderError:
    name = keywords.get("accelerator", "auto")
    known = {kind: AcceleratorRegistry[kind]["accelerator"] for kind in AcceleratorRegistry.available_accelerators()}
    here = [kind for kind, accelerator in known.items() if accelerator.is_available()]
    if isinstance(name, str) and name not in ("auto", *here) and not (name == "gpu" and {"cuda", "mps"} & {*here}):
        return ConfigError("trainer.accelerator", f"auto or one that this machine has ({', '.join(here)})", name)
    return EmbedderError(f"trainer: {shown(' '.join(str(error).split()), 500)}")
