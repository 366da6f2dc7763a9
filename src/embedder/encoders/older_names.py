"""Settings of a model under their names of transformers 4, beside those of version 5, which reads both."""

import json
from pathlib import Path
from typing import Any


def add_older_names(folder: Path) -> None:
    """Let transformers 4 read a folder that version 5 wrote as version 5 does.

    Without them it takes its usual values, such as another base of rotary positions, and gives other vectors without a
    word, or does not know the class of the tokenizer.
    """
    for name, older in (("config.json", _settings), ("tokenizer_config.json", _tokenizer)):
        path = folder / name
        settings = older(json.loads(path.read_text(encoding="utf-8")))
        path.write_text(json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Of the transformer.

    >>> _settings({"rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}})["rope_theta"]
    1000000.0
    """
    added = {"torch_dtype": settings["dtype"]} if "dtype" in settings else {}
    rope = settings.get("rope_parameters") or {}
    if "rope_theta" in rope:
        added["rope_theta"] = rope["rope_theta"]
        scaling = {name: value for name, value in rope.items() if name != "rope_theta"}
        added["rope_scaling"] = None if scaling.get("rope_type", "default") == "default" else scaling
    return {**settings, **added}


def _tokenizer(settings: dict[str, Any]) -> dict[str, Any]:
    """Of the tokenizer; `is_local` and the like say how it was loaded here."""
    kept = {name: value for name, value in settings.items() if name not in ("is_local", "local_files_only", "backend")}
    if kept.get("tokenizer_class") == "TokenizersBackend":
        # That class numbers segments too unless it is told what the model reads, and not every model takes them.
        kept |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    return kept
