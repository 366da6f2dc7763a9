"""Rooms import only what they may."""

import re

import pytest
from docs.picture import ROOT, SOURCE, imports_of_files, room_of

_ROW = re.compile(r"^\| `(\w+)/` \|.*\| (.*) ?\|$", re.M)
MAY_IMPORT = {  # the table of rooms
    room: set(re.findall(r"`(\w+)`", allowed))
    for room, allowed in _ROW.findall((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
}
MAY_IMPORT["app"] = set(MAY_IMPORT) - {"world", "public"}  # conf/ names these two


def test_the_table_of_rooms_names_each():
    assert set(MAY_IMPORT) == {path.parent.name for path in SOURCE.glob("*/__init__.py")}


@pytest.mark.parametrize(
    "folder", sorted({path.parent.relative_to(SOURCE) for path in SOURCE.glob("*/**/*.py")}), ids=str
)
def test_a_room_fits_on_a_screen(folder):
    files = sorted((SOURCE / folder).glob("*.py"))
    assert len(files) <= 28, "split the room by what it does"
    assert sum(len(path.read_text().splitlines()) for path in files) <= 2600, "split the room"


def test_the_bundled_world_and_public_data_are_leaves():
    assert not [room for room, allowed in MAY_IMPORT.items() if allowed & {"world", "public"}]
    named = {path for path in SOURCE.rglob("*.py") if re.search(r"embedder\.(world|public)\b", path.read_text())}
    assert {path.relative_to(SOURCE).parts[0] for path in named} <= {"world", "public"}


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_rooms_import_only_what_they_may(room):
    for module, imported in imports_of_files(SOURCE.parent).items():
        if room_of(module) == room:
            assert {room_of(name) for name in imported} & set(MAY_IMPORT) - {room} <= MAY_IMPORT[room], module


def test_files_beside_the_rooms_import_none():
    for module, imported in imports_of_files(SOURCE.parent).items():
        if module.startswith("embedder.") and room_of(module) not in {*MAY_IMPORT, "__main__"}:
            assert not {room_of(name) for name in imported} & set(MAY_IMPORT), module
