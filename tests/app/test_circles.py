"""No file of ours imports another one that imports it, at whichever level: not for types, not inside of a function."""

import graphlib

import pytest
from docs.picture import SOURCE, imports_of_files


def test_no_file_imports_one_that_imports_it():
    imports = imports_of_files(SOURCE.parent)
    assert len(imports) > 150
    assert sum(map(len, imports.values())) > 500  # the imports are seen at all
    list(graphlib.TopologicalSorter(imports).static_order())  # raises CycleError, which names the files


@pytest.mark.parametrize(
    "hidden",
    [
        "import room.first",
        "def late():\n    from room.first import something",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from room import first",
    ],
)
def test_hidden_imports_are_seen(tmp_path, hidden):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").touch()
    (tmp_path / "room" / "first.py").write_text("from room.second import other\n")
    (tmp_path / "room" / "second.py").write_text(hidden)
    with pytest.raises(graphlib.CycleError, match=r"nodes are in a cycle.*room\.(first|second)"):
        list(graphlib.TopologicalSorter(imports_of_files(tmp_path)).static_order())
