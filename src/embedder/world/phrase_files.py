"""Reads the phrases of the world: YAML files beside the code, which say what may stand in braces.

Phrases are filled in by `str.format`, which can look into what it is given: a test sees that braces hold plain names.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C takes a tenth of the time


def phrases(name: str) -> Any:
    """What `phrases/NAME.yaml` holds; its first keys are attributes."""
    text = (Path(__file__).parent / "phrases" / f"{name}.yaml").read_text(encoding="utf-8")
    return SimpleNamespace(**yaml.load(text, Loader=_SafeLoader))  # noqa: S506  # it is a safe loader
