"""The code of README and docs: fenced blocks, and the commands in them and inside of sentences."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "demo" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

# With at least one word behind it, `make` or `python`; the scripts are named without `python` in sentences too.
_COMMAND = re.compile(
    r"(make|pip install|pip wheel|wandb sweep|embedder \w+) [\w'\"-].*|embedder --help"
    r"|((torchrun|srun) [\w=-]+ )?(python )?(benchmarks/\w+|train|prepare|evaluate)\.py .+"
)
_ALSO = re.compile(r"python (benchmarks/\w+|train|prepare|evaluate)\.py")
_FENCED = re.compile(r"([^\n]*)\n```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\S+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, the line above it, its language (none for commands) and its text."""

    page: str
    above: str
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Continued lines joined."""
        return re.sub(r"\\\n\s*", "", self.text).splitlines()

    @property
    def file(self) -> str | None:
        """The file that it is, where its first line names one in a comment."""
        named = _FILE.match(self.text)
        return named and named[1]

    @property
    def imports(self) -> bool:
        """Whether it is Python to be run, and not a signature or an example with `>>>`."""
        return re.search(r"^(import|from) ", self.text, flags=re.M) is not None

    @property
    def rows_of_files(self) -> list[str]:
        """The files of JSON Lines whose rows it shows; the line above names them."""
        return re.findall(r"`([^`]+\.jsonl)`", self.above) if self.language == "jsonl" else []


@cache
def blocks() -> list[Block]:
    """Of all pages."""
    return [
        Block(str(page.relative_to(ROOT)), *found.groups())
        for page in PAGES
        for found in _FENCED.finditer(page.read_text(encoding="utf-8"))
    ]


def command_in(code: str) -> str | None:
    """The command that a line of code is, without its comment."""
    command = " ".join(re.split(r"\s+#\s", code)[0].split())
    return command if _COMMAND.fullmatch(command) or _ALSO.fullmatch(command) else None


def commands() -> dict[str, str]:
    """Each command, with the page that it stands on first."""
    found: dict[str, str] = {}
    for page in PAGES:
        for text in _code(page):
            if (command := command_in(text)) is not None:
                found.setdefault(command, str(page.relative_to(ROOT)))
    return found


def block(page: str, start: str) -> str:
    """The text of the block of a page that holds a line which starts so."""
    return next(one.text for one in blocks() if one.page == page and any(x.startswith(start) for x in one.lines))


def files_of(page: str) -> dict[str, str]:
    """The files that a page shows, by name."""
    return {one.file: _FILE.sub("", one.text, count=1) for one in blocks() if one.page == page and one.file}


def rows_of(page: str) -> dict[str, list[dict[str, Any]]]:
    """The JSON Lines that a page shows, by the names of their files; several files may share a block."""
    return {
        name: [json.loads(line) for line in one.text.splitlines()]
        for one in blocks()
        if one.page == page
        for name in one.rows_of_files
    }


def _code(page: Path) -> Iterator[str]:
    for one in blocks():
        if one.page == str(page.relative_to(ROOT)):
            yield from one.lines
    for paragraph in _FENCED.sub("", page.read_text(encoding="utf-8")).split("\n\n"):
        yield from (one.replace("\n", " ") for one in re.findall(r"`([^`]+)`", paragraph))
