"""The tables of robustness and security name the test that holds each row: it is there."""

import ast
import re

import pytest

from tests.docs.in_docs import ROOT


@pytest.mark.parametrize("page", ["robustness.md", "security.md"])
def test_each_row_is_held_by_tests_that_exist(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = [line for table in text.split("| held by |\n")[1:] for line in table.split("\n\n")[0].splitlines()[1:]]
    assert len(rows) > 9
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split("|")[-2])
        assert named, row
        for file, test in named:
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row
