"""Every command line of README and docs: from fenced blocks, and from code inside of sentences."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "demo" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

# With at least one word behind it, `make` or `python`; the scripts are named without `python` in sentences too.
_COMMAND = re.compile(
    r"(make|pip install|wandb sweep|embedder \w+) [\w'\"-].*|(python )?(benchmarks/\w+|train|prepare|evaluate)\.py .+"
)
_ALSO = re.compile(r"python (benchmarks/\w+|train|prepare|evaluate)\.py")


def commands() -> dict[str, str]:
    """Each command, with the page that it stands on first; comments cut, continued lines joined."""
    found: dict[str, str] = {}
    for page in PAGES:
        for text in _code(page.read_text(encoding="utf-8")):
            command = re.split(r"\s+#\s", text)[0].strip()
            if _COMMAND.fullmatch(command) or _ALSO.fullmatch(command):
                found.setdefault(" ".join(command.split()), str(page.relative_to(ROOT)))
    return found


def block(page: str, start: str) -> str:
    """The fenced block of a page that holds a line which starts so."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    return next(one for one in blocks if any(line.startswith(start) for line in one.splitlines()))


def files_of(page: str) -> dict[str, str]:
    """The files that a page shows: fenced blocks that begin with a comment that names one, by that name."""
    blocks = re.findall(
        r"^```\w+\n# (\S+\.\w+)\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S
    )
    return dict(blocks)


def _code(text: str) -> Iterator[str]:
    fenced = r"^```\w*\n(.*?)^```"
    for one in re.findall(fenced, text, flags=re.M | re.S):
        yield from re.sub(r"\\\n\s*", "", one).splitlines()
    for paragraph in re.sub(fenced, "", text, flags=re.M | re.S).split("\n\n"):
        yield from (one.replace("\n", " ") for one in re.findall(r"`([^`]+)`", paragraph))
