"""Which device a model runs on where no trainer decides."""

import torch

from embedder.errors import ConfigError


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
