"""Which device a model runs on outside of training."""

import logging
import time
from functools import cache

import torch

from embedder.errors import ConfigError

logger = logging.getLogger(__name__)

_SLOWER = 1.25  # less is within the noise of the measurement


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


def slowdown_of_bfloat16() -> float:
    """Processor time of a matrix product in bfloat16 over that in float32, on the CPU; measured in a few milliseconds.

    What the processor says of itself (`avx512_bf16`) does not tell: among those that list it bfloat16 took 0.4 of the
    time, and twice the time.
    """

    def seconds(dtype: torch.dtype) -> float:
        rows, weights = torch.ones(256, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
        times = []
        for _ in range(4):  # the first sets things up
            start = time.process_time()
            torch.nn.functional.linear(rows, weights)
            times.append(time.process_time() - start)
        return min(times)

    return seconds(torch.bfloat16) / seconds(torch.float32)


@cache
def warn_of_slow_bfloat16(device: str, setting: str, instead: str) -> None:
    """Warn once where a setting asks for bfloat16 on a processor that is slower at it than in float32.

    Args:
        device: The kind of device, `cpu` or `cuda`.
        setting: Which setting it is, such as `llm.dtype`.
        instead: What to set it to.
    """
    if device != "cpu" or (slowdown := slowdown_of_bfloat16()) < _SLOWER:
        return
    logger.warning(
        "%s: this processor takes %.1f times as long in bfloat16 as in float32; set %s=%s",
        *(setting, slowdown, setting, instead),
    )
