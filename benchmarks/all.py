"""All comparisons with peers, and growth, one after the other: `make bench` writes docs/benchmarks-speed.md with it.

    python benchmarks/all.py
    python benchmarks/all.py --only encoding start --runs 3
    python benchmarks/all.py --page docs/benchmarks-speed.md --folder outputs/bench
    python benchmarks/all.py --page docs/benchmarks-speed.md --only growth     # the other sections stay as they are

Each benchmark is a process of its own and leaves a file of rows in a folder for this commit, machine, versions and
number of rounds; a file that is there already is not made again, so that a run that was ended goes on. Ratios are
medians of neighbouring runs in turns; every benchmark says in its own words what is compared, and ends with an error if
both sides do not do the same.
"""

import argparse
import datetime
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from exponents import Growth
from side_by_side import Row

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Part:
    """A section of the page: a script, how it is called for it, what its numbers mean, and why some are as they are."""

    script: str
    arguments: tuple[str, ...]
    heading: str
    meaning: str
    why: str = ""


HEAD = """\
# Speed beside peers

Written by `make bench`; do not edit. Above 1 means that this project is faster, or needs less memory.
"""
PARTS = (
    Part("rewards", (), "Labelling", "scoring eleven outputs of a prompt with an LLM of 135 M parameters"),
    Part(
        "token_bound",
        ("--queries", "16"),
        "Labelling beside the LLM's own passes",
        "the same tokens through the bare model, which nothing can beat: the ratio is the share of the model itself",
    ),
    Part("relabel", ("--records", "100000"), "Another reward", "100,000 records, from the table and through the store"),
    Part("training", ("--steps", "10"), "Training", "processor time, and peak memory, of the same encoder and losses"),
    Part(
        "encoding",
        ("--texts", "320"),
        "Encoding",
        "sentence-transformers' `encode` at its default batch size, on drawn texts as long as Wikipedia's paragraphs "
        "and on passages of the demo; nearly all of our time is the model's own arithmetic (docs/results-speed.md, "
        "Speed of encoding)",
    ),
    Part("index", ("--indexes",), "Searching", "the same FAISS index, called without us"),
    Part("evaluation", (), "Evaluation", "sentence-transformers' `InformationRetrievalEvaluator`"),
    Part("answering", (), "Answering", "an answer and the scores of eleven outputs for a prompt"),
    Part("serving", (), "Serving", "one question at a time, through the API and by hand"),
    Part("start", (), "Starting", "until a command has said what it does, and until a library is imported"),
    Part(
        "growth",
        (),
        "Growth",
        "processor time and private memory beyond those of the smallest data, which are start; the exponent is the "
        "slope of log(time) over log(size), both beyond start, with its standard error, 1 for a time in proportion, "
        "and `last` that of the last two sizes; times below a fifth of start are not fitted",
        "An IVF index takes the power 1.5 to build, by choice: it has 4 times as many lists as the root of the number "
        "of vectors, and each vector is compared with the centre of each list. In return a search takes a power below "
        "1. For many millions docs/indexes.md has a factory that finds the list of a vector by a graph. Exact search "
        "is in proportion until the vectors no longer fit into the processor's cache (10,000 of them take 2.6 MB, "
        "100,000 take 26 MB); then it waits for the memory, it seems. Both are FAISS's own arithmetic (Searching, "
        "above).",
    ),
)


def main() -> None:
    """Measure, print and write."""
    names = [part.script for part in PARTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--runs", type=int, default=5, help="rounds of each comparison")
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs" / "bench", help="where files of rows are kept")
    parser.add_argument("--page", type=Path, help="also write the table as a page")
    arguments = parser.parse_args()
    where = measured_where()
    folder = arguments.folder / hashlib.sha256(f"{where}, {arguments.runs}".encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    sections = [(part, measured(part, folder, arguments.runs)) for part in PARTS if part.script in arguments.only]
    measured_at = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {where}"
    texts = {part.heading: section(part, rows, measured_at) for part, rows in sections if rows}
    print("\n".join(texts.values()))
    if failed := [part.script for part, rows in sections if not rows]:
        sys.exit(f"failed: {', '.join(failed)}; the others are kept, and the same command measures these alone")
    if page := arguments.page:
        before = page.read_text(encoding="utf-8") if page.is_file() else ""
        page.write_text(page_with(before, texts), encoding="utf-8")


def page_with(before: str, texts: Mapping[str, str]) -> str:
    """The page with these sections in place of those of the same heading."""
    kept = {text.partition("\n")[0]: f"## {text.rstrip()}\n" for text in before.split("\n## ")[1:]}
    sections = kept | texts
    return "\n".join([HEAD, *(sections[part.heading] for part in PARTS if part.heading in sections)])


def measured_where() -> str:
    """The commit, and all that its numbers depend on."""
    packages = ("torch", "transformers", "sentence-transformers", "faiss-cpu", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    commit = subprocess.run(  # noqa: S603  # our own words
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    threads = os.environ.get("OMP_NUM_THREADS", "as many as the machine has")
    machine = f"{processor()}, {os.cpu_count()} processors, threads: {threads}"
    return f"commit {commit}; {machine}; Python {platform.python_version()}, {versions}"


def processor() -> str:
    """Its name, as Linux tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def measured(part: Part, folder: Path, runs: int) -> list[Row | Growth]:
    """The rows of a benchmark; none, with a line about it, where it fails."""
    path = folder / f"{part.script}.json"
    if not path.is_file():
        unfinished = path.with_suffix(".unfinished")
        command = [sys.executable, str(Path(__file__).with_name(f"{part.script}.py")), *part.arguments]
        print(f"{part.heading}: {part.script}.py {' '.join(part.arguments)}", file=sys.stderr, flush=True)
        done = subprocess.run(  # noqa: S603  # our own scripts
            [*command, "--runs", str(runs), "--json", str(unfinished)], stdout=sys.stderr, check=False
        )
        if done.returncode:
            print(f"{part.script}.py ended with {done.returncode}", file=sys.stderr)
            return []
        unfinished.rename(path)
    kind = Growth if part.script == "growth" else Row
    return [kind(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def section(part: Part, rows: list[Row | Growth], measured_at: str) -> str:
    """What was measured, when and where, and a table."""
    command = f"python benchmarks/{part.script}.py {' '.join(part.arguments)}".strip()
    grown = [row for row in rows if isinstance(row, Growth)]
    compared = [row for row in rows if isinstance(row, Row)]
    table = growth_table(grown) if grown else ratio_table(compared)
    why = ["", part.why] if part.why else []
    return "\n".join([f"## {part.heading}", f"`{command}`: {part.meaning}. {measured_at}.", "", *table, *why, ""])


def ratio_table(rows: list[Row]) -> list[str]:
    """Ours beside a peer."""
    return [
        "| what | ours | peer | peer / ours | runs |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {row.name} | {amount(row.ours, row.unit)} | {amount(row.peer, row.unit)} | "
            f"**{row.ratio:.2f}** ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f}) | {row.runs} |"
            for row in rows
        ),
    ]


def growth_table(rows: list[Growth]) -> list[str]:
    """Each size's time and memory, and the exponent."""
    return [
        "| what | sizes | start | time beyond it | memory beyond it, MB | exponent | last | runs |",
        "|---|---|---:|---|---|---:|---:|---:|",
        *(
            f"| {row.name} | {', '.join(f'{size:,}' for size in row.sizes)} {row.unit} | {amount(row.start, 's')} | "
            f"{', '.join(amount(seconds, 's') for seconds in row.seconds)} | "
            f"{', '.join(f'{megabytes:.0f}' for megabytes in row.megabytes)} | "
            f"{slopes(row)} | {row.runs} |"
            for row in rows
        ),
    ]


def slopes(row: Growth) -> str:
    """The cells of the exponent and of `last`."""
    if math.isnan(row.exponent):
        return "hidden by start | -"
    return f"**{row.exponent:.2f}** ± {row.error:.2f} | {row.last:.2f}"


def amount(value: float, unit: str) -> str:
    """Three digits of it, or all before the point."""
    if unit == "s" and value < 1:
        return f"{1000 * value:.3g} ms"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


if __name__ == "__main__":
    main()
