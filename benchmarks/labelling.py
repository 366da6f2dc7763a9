"""Labelling throughput: the same queries in one process and in several, each time into an empty store.

    python benchmarks/labelling.py --source DIR --queries 64 --processes 2

Each run is a `prepare.py` of its own, so starting and loading count. Seconds of labelling are those of the slowest
process, as its log says; processor seconds are those of all processes. The files of records must be the same, byte
for byte.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import Measured, Row, compare, write_json

ROOT = Path(__file__).parents[1]
_LABELLED = re.compile(r"labelled (\d+) queries in ([\d.]+) s: (\d+) prompts")


def label(processes: int, folder: Path, overrides: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds of one run by what they are of, with the number of prompts; digests of the files that it wrote."""
    command = [sys.executable, "prepare.py", *overrides, f"engine.processes={processes}", f"paths.root={folder}"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    parts = [(float(seconds), int(prompts)) for _, seconds, prompts in _LABELLED.findall(done.stdout) if int(prompts)]
    seconds = {
        "command, wall": wall,
        "command, processor": sum(after[:2]) - sum(before[:2]),
        "labelling, wall": max(seconds for seconds, _ in parts),
        "prompts": float(sum(prompts for _, prompts in parts)),
    }
    (digests,) = folder.glob("data/prepared/*/*/digests.json")
    return seconds, json.loads(digests.read_text(encoding="utf-8"))


def main() -> None:
    """Measure in turns, print, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True, help="a folder with a data set by id")
    parser.add_argument("--queries", type=int, default=64)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("overrides", nargs="*", help="settings of prepare.py, such as llm.name=NAME")
    given = parser.parse_args()
    source = ["source=corpus", f"source.path={given.source}", f"prepare.max_train_queries={given.queries}"]
    seconds: dict[int, list[dict[str, float]]] = {1: [], given.processes: []}
    written: list[dict[str, str]] = []
    for _ in range(given.runs):
        for processes, of_runs in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                took, digests = label(processes, Path(folder), [*source, *given.overrides])
            of_runs.append(took)
            written.append(digests)
            rate = took["prompts"] / took["labelling, wall"]
            shown = ", ".join(f"{name} {value:.1f}" for name, value in took.items())
            print(f"{processes} processes: {shown}; {rate:.2f} prompts/s", flush=True)
    if any(digests != written[0] for digests in written):
        sys.exit("the records differ")
    rows: list[Row] = [
        compare(
            f"{name}: {given.processes} processes against 1",
            Measured([took[name] for took in seconds[given.processes]], 0.0),
            Measured([took[name] for took in seconds[1]], 0.0),
        )
        for name in ("command, wall", "command, processor", "labelling, wall")
    ]
    for row in rows:
        print(f"{row.name}: {row.ours:.1f} s against {row.peer:.1f} s, {row.ratio:.2f} times as fast")
    if given.json:
        write_json(given.json, rows)


if __name__ == "__main__":
    main()
