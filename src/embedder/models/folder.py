"""The tokenizer and the settings of a model folder, read without running its code."""

import json
from pathlib import Path
from typing import Any

from embedder.errors import ConfigError
from embedder.models.loading import CODE_NEEDED, loading


def load_tokenizer(folder: Path, setting: str, name: str, what: str = "a model with a tokenizer") -> Any:
    """The tokenizer of a folder, which reads the names of control tokens in a text as plain text.

    The tokens that it puts in front of texts and behind them stay what they are.

    Raises:
        ConfigError: It cannot be loaded.
    """
    from transformers import AutoTokenizer

    with loading(setting, name, what):
        _refuse_code(folder)
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, split_special_tokens=True)


def _refuse_code(folder: Path) -> None:
    """A tokenizer of a class of the folder's own: its `tokenizer.json` alone may cut texts otherwise."""
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known = tokenizer_class_from_name(str(settings.get("tokenizer_class")))
    if "AutoTokenizer" in (settings.get("auto_map") or {}) and known is None:
        raise ValueError(CODE_NEEDED)


def load_settings(folder: Path, setting: str, name: str) -> Any:
    """The settings of a model (`config.json`).

    Raises:
        ConfigError: They cannot be read, or the folder holds an adapter alone.
    """
    from transformers import AutoConfig

    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        expected = (
            "a whole model; this is an adapter alone: merge it into its base with peft "
            "(`PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(folder)`), name that folder"
        )
        raise ConfigError(setting, expected, name)
    with loading(setting, name, "a model"):
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
