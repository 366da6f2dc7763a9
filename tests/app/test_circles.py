"""No file of ours imports another one that imports it, at whichever level: not for types, not inside of a function."""

import ast
import graphlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"


def module_of(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of_files(source: Path) -> dict[str, set[str]]:
    """Module -> the modules under `source` that it imports anywhere: at the top, for types, inside of functions."""
    trees = {module_of(path, source): ast.parse(path.read_text(encoding="utf-8")) for path in source.rglob("*.py")}
    imports: dict[str, set[str]] = {}
    for module, tree in trees.items():
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: a relative import, which this test does not follow"
                within = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= within if within <= trees.keys() else {*within, str(node.module)}
        imports[module] = (names & trees.keys()) - {module}
    return imports


def test_no_file_imports_one_that_imports_it():
    imports = imports_of_files(SOURCE)
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
