"""In the phrases of the world braces hold plain names: `str.format` can look into what it is given."""

import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

import embedder.world

FILES = sorted((Path(str(embedder.world.__file__)).parent / "phrases").glob("*.yaml"))


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (leaf for item in value.items() for one in item for leaf in leaves(one))
    elif isinstance(value, list):
        yield from (leaf for item in value for leaf in leaves(item))
    else:
        yield value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_plain_names_stand_in_braces(path: Path):
    found = list(leaves(yaml.safe_load(path.read_text())))
    assert found
    for text in found:
        assert type(text) in (str, int), f"text in quotes: YAML reads {text!r}"
        for _, slot, spec, conversion in Formatter().parse(str(text)):
            assert slot is None or (re.fullmatch("[A-Za-z_]+", slot) and not spec and not conversion), text
