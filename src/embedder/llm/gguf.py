"""Convert a GGUF file, once, to a safetensors folder that loads in seconds instead of a minute."""

import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

from embedder.digests import digest_of
from embedder.errors import DataError, reading
from embedder.files import make_once
from embedder.models.loading import reason
from embedder.shown import shown_names

logger = logging.getLogger(__name__)


def convert_gguf(path: Path, cache_directory: Path) -> Path:
    """The folder with the de-quantised float32 weights and the tokenizer of a GGUF file.

    It is named by the SHA-256 digest of the file, and made on first use and where it was damaged since. It is whole or
    not there; of processes that come to it at once, one converts.

    Args:
        path: The GGUF file.
        cache_directory: Where converted models are kept.

    Raises:
        DataError: The file is damaged, or lacks weights.

    Returns:
        A folder that `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` read.
    """
    digest = digest_of(path)
    target = cache_directory / digest

    def convert(partial: Path) -> None:
        logger.info("converting %s to safetensors in %s: converting once, takes about a minute", path.name, target)
        _write_safetensors(path, partial)
        source = {
            "gguf": path.name,
            "sha256": digest,
            "versions": {name: version(name) for name in ("transformers", "gguf", "torch")},
        }
        (partial / "source.json").write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")

    make_once(target, convert)
    return target


def _write_safetensors(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # An Exception: whatever damaged bytes make of the readers of two libraries.
    with reading(path, "cannot be read as a GGUF model", Exception, said=reason):
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, trust_remote_code=False)
        loaded_with_report: Any = AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            dtype=torch.float32,
            trust_remote_code=False,
            output_loading_info=True,
        )
    loaded, report = loaded_with_report
    if missing := sorted(report["missing_keys"]):
        raise DataError(path, None, f"lacks weights of its model: {shown_names(missing)}")
    # A model that was loaded from GGUF refuses to be saved while it carries a quantization config, and keeps traces of
    # it after the config is dropped: the weights move to a fresh model of the same shape.
    settings = loaded.config.to_dict()
    settings.pop("quantization_config", None)
    fresh = type(loaded)(type(loaded.config).from_dict(settings))
    fresh.load_state_dict(loaded.state_dict())
    fresh.generation_config = loaded.generation_config
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
