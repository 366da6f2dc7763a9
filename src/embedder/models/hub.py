"""Models of the Hugging Face hub: their files in the cache, or one line that says why they are missing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from embedder.errors import ConfigError
from embedder.models.loading import reason


def local_folder(source: str | Path, revision: str | None, setting: str, *, weights: bool = True) -> Path:
    """The folder of a model: itself, or its copy in the cache of the hub, which is downloaded if it is missing.

    Args:
        source: As `resolve_model` returns it.
        revision: Branch, tag or commit of a hub name.
        setting: Which setting names it.
        weights: Whether they are needed too.

    Raises:
        ConfigError: The hub has no such model, or cannot be reached.
    """
    return source if isinstance(source, Path) else _downloaded(source, revision, setting, weights)


@cache
def _downloaded(source: str, revision: str | None, setting: str, weights: bool) -> Path:
    """Ask the hub once in a process: every row and every task needs the folder."""
    from huggingface_hub import snapshot_download

    with from_hub(setting, source):
        small = ["*.json", "*.txt", "*.model", "*.jinja"]
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=small))
        if weights:  # which may be there in part, where an earlier download was cut off
            shards = sorted({shard for index in folder.glob("*.safetensors.index.json") for shard in _shards(index)})
            wanted = [*(shards or ["model.safetensors"]), "*/model.safetensors"]
            snapshot_download(source, revision=revision, allow_patterns=wanted)
    return folder


@contextmanager
def from_hub(setting: str, name: str) -> Iterator[None]:
    """Say in one line why the hub gave no model.

    Raises:
        ConfigError: It has none of that name, or cannot be reached and nothing is in the cache.
    """
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    kinds = "an existing folder, package:NAME/PATH or the name of a model on the Hugging Face hub"
    try:
        yield
    except LocalEntryNotFoundError as error:
        why = "there is no such folder, it is not in the cache of models, and the hub cannot be reached"
        raise ConfigError(setting, f"{kinds} ({why})", name) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(setting, f"{kinds} (the hub has none of that name, or a private one)", name) from error
    except (HfHubHTTPError, ValueError, OSError) as error:
        raise ConfigError(setting, f"{kinds} ({reason(error)})", name) from error


def _shards(index: Path) -> list[str]:
    return list(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
