"""Draws the rooms of `src/embedder` and their imports into `architecture.md`: run `python docs/picture.py`."""

import ast
import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "embedder"
PAGE = ROOT / "docs" / "architecture.md"
_BLOCK = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.S)


@functools.cache
def imports_of_files(source: Path) -> dict[str, set[str]]:
    """Module -> the modules under `source` that it imports anywhere: at the top, for types, inside of functions."""
    trees = {_module(path, source): ast.parse(path.read_text(encoding="utf-8")) for path in source.rglob("*.py")}
    imports: dict[str, set[str]] = {}
    for module, tree in trees.items():
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    raise ValueError(f"{module}: a relative import, which is not followed")
                within = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= within if within <= trees.keys() else {*within, str(node.module)}
        imports[module] = (names & trees.keys()) - {module}
    return imports


def imports_of_rooms() -> dict[str, set[str]]:
    """Room -> the rooms that its files import; files beside the rooms are left out."""
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for module, imported in imports_of_files(SOURCE.parent).items():
        room = room_of(module)
        if room in rooms:
            found[room] |= {room_of(name) for name in imported} & (rooms - {room})
    return found


def mermaid(imports: dict[str, set[str]]) -> str:
    """A flow chart; what a room imports through another room has no arrow of its own."""
    lines = ["flowchart TD"]
    for room in sorted(imports):
        through = set().union(*(_reached(other, imports) for other in imports[room]))
        direct = sorted(imports[room] - through)
        lines.append(f"    {room} --> {' & '.join(direct)}" if direct else f"    {room}")
    return "\n".join(lines) + "\n"


def page_with(picture: str) -> str:
    """The page with this picture."""
    return _BLOCK.sub(picture, PAGE.read_text(encoding="utf-8"))


def _reached(room: str, imports: dict[str, set[str]]) -> set[str]:
    return imports[room].union(*(_reached(other, imports) for other in imports[room]))


def _module(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room of a module: `embedder.data.records` is of `data`; a file beside the rooms is of none."""
    return module.partition(".")[2].partition(".")[0]


if __name__ == "__main__":
    PAGE.write_text(page_with(mermaid(imports_of_rooms())), encoding="utf-8")
