"""What a command made, as values that are the same to the bit whenever it made the same."""

import json
import re
from pathlib import Path
from typing import Any

import torch

_TIMES = re.compile(r"seconds|_ms$|per_second|commit|minutes")


def without_times(value: Any) -> Any:
    """A result without what differs from run to run: how long something took, and the commit."""
    if isinstance(value, dict):
        return {name: without_times(one) for name, one in value.items() if not _TIMES.search(name)}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def scores(folder: Path) -> Any:
    """The rows of an evaluation."""
    return without_times(json.loads((folder / "scores.json").read_text(encoding="utf-8"))["rows"])


def weights(folder: Path) -> dict[str, bytes]:
    """Of the last step and of the exported model."""
    state = torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    exported = {"export": (folder / "export" / "model.safetensors").read_bytes()}
    return exported | {name: value.numpy().tobytes() for name, value in state.items()}


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, but for those that say how long it took, and their digests."""
    names = (path for path in sorted(folder.rglob("*")) if path.is_file())
    kept = (path for path in names if path.name not in ("manifest.json", "digests.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}
