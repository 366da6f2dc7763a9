"""Where the rows of files that we made come from, so that an error names the user's own file and line."""

import json
import struct
from pathlib import Path

ORIGINS = "origins.json"
"""Beside generated files: for the stem of each the files that it was made of, as they are called now."""
PLACE = struct.Struct("<qq")
"""What `STEM.lines` holds for each row: which of these files, and its line; without that file rows are lines."""


def origin(path: Path, line: int | None) -> tuple[Path, int | None]:
    """The file and line that a user wrote, for those of a generated file; any others stay as they are."""
    try:
        sources = [Path(source) for source in json.loads(path.with_name(ORIGINS).read_bytes())[path.stem]]
        lines = path.with_suffix(".lines")
        which, found = 0, line
        if line is not None and lines.is_file():
            with lines.open("rb") as file:
                file.seek((line - 1) * PLACE.size)
                which, found = PLACE.unpack(file.read(PLACE.size))
        return origin(sources[which], found)
    except (OSError, ValueError, KeyError, IndexError, TypeError, struct.error):
        return path, line  # this runs while an error is shown: it must not raise a second one
