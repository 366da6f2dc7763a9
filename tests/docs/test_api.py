"""The page of the Python API is that of the docstrings."""

import importlib

import pytest
from docs.api import PAGE, SECTIONS, page


def test_the_page_is_made_from_the_docstrings_of_today():
    assert page() == PAGE.read_text(encoding="utf-8"), "run python docs/api.py"


@pytest.mark.parametrize("module", ["embedder", "embedder.losses", "embedder.rewards"])
def test_every_public_name_is_on_it_and_can_be_imported(module):
    text = PAGE.read_text(encoding="utf-8")
    names = importlib.import_module(module).__all__
    assert names
    for name in names:
        assert getattr(importlib.import_module(module), name).__doc__
        assert f"### `{module}.{name}`\n" in text
    assert module in {home for home, _ in SECTIONS.values()}
