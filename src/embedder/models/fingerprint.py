"""Identify a language model by its contents, so that stored log-likelihoods are never mixed up between models."""

import hashlib
from pathlib import Path

from embedder.digests import digest_of
from embedder.errors import DataError
from embedder.models.hub import from_hub

_TOKENIZER_PATTERNS = ("tokenizer*", "vocab*", "merges*", "special_tokens_map.json", "added_tokens.json", "*.model")


def fingerprint_of(source: str | Path, revision: str | None, dtype: str) -> str:
    """What identifies weights, tokenizer and precision of a model.

    Args:
        source: A GGUF file, a folder with safetensors, or a hub name, as `resolve_model` returns it.
        revision: Branch, tag or commit of a hub name.
        dtype: Precision of the computation; float16 and float32 give different numbers.

    Returns:
        `gguf:DIGEST:DTYPE`, `files:DIGEST:DTYPE` or `NAME@COMMIT:DTYPE`.
    """
    if isinstance(source, str):
        return f"{source}@{_commit(source, revision)}:{dtype}"
    if source.is_file():
        return f"gguf:{digest_of(source)}:{dtype}"
    return f"files:{_digest_of_folder(source)}:{dtype}"


def _digest_of_folder(folder: Path) -> str:
    """Digest of weights, configuration and tokenizer; other files (read-me, chat template) do not change a score."""
    weights = set(folder.glob("*.safetensors"))
    if not weights:
        raise DataError(folder, None, "holds no *.safetensors file, so it is not a model that can be loaded")
    tokenizer = {path for pattern in _TOKENIZER_PATTERNS for path in folder.glob(pattern)}
    digest = hashlib.sha256()
    if not (folder / "config.json").is_file():
        raise DataError(folder, None, "holds no config.json, so it is not a model that can be loaded")
    for path in sorted(weights | tokenizer | {folder / "config.json"}):
        digest.update(f"{path.name}\0{digest_of(path)}\n".encode())
    return digest.hexdigest()


def _commit(name: str, revision: str | None) -> str:
    """The commit behind a branch or tag, from the hub or, without a network, from the local cache."""
    from huggingface_hub import hf_hub_download

    with from_hub("llm.name", name):  # files of a snapshot lie in a folder that is named by the commit
        return Path(hf_hub_download(name, "config.json", revision=revision)).parent.name
