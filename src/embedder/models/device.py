"""Which device a model runs on outside of training."""

import logging
from functools import cache
from pathlib import Path

import torch

from embedder.errors import ConfigError

logger = logging.getLogger(__name__)

_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})  # of x86, and of ARM


def torch_device(name: str, setting: str) -> torch.device:
    """A device by its name in torch, or for `auto` the first GPU if there is one.

    Raises:
        ConfigError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(setting, "auto or a device that torch finds here, such as cpu or cuda:1", name) from error
    return device


def has_bfloat16(information: str) -> bool:
    """Whether a processor computes in bfloat16 itself.

    Args:
        information: What `/proc/cpuinfo` says: a line `flags` (x86) or `Features` (ARM) for each core.
    """
    lines = (line.partition(":") for line in information.splitlines())
    flags_of_cores = [set(value.split()) for name, _, value in lines if name.strip() in ("flags", "Features")]
    return not flags_of_cores or any(_FLAGS & flags for flags in flags_of_cores)  # unknown: no warning


@cache
def warn_of_slow_bfloat16(device: str, setting: str, instead: str) -> None:
    """Warn once where a setting asks for bfloat16 on a processor without instructions for it.

    There it was 6 to 70 times slower than float32.

    Args:
        device: The kind of device, `cpu` or `cuda`.
        setting: Which setting it is, such as `llm.dtype`.
        instead: What to set it to.
    """
    path = Path("/proc/cpuinfo")
    if device != "cpu" or not path.is_file() or has_bfloat16(path.read_text(encoding="utf-8", errors="replace")):
        return
    logger.warning(
        "%s: this processor has no instructions for bfloat16 and runs it many times slower than float32; set %s=%s",
        setting,
        setting,
        instead,
    )
