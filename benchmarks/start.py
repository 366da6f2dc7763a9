"""Starting: processor time until a command has said what it does, beside the import of the library under it.

    python benchmarks/start.py

Each is a process of its own, in turns. Ours are the help of a command, its refusal of a wrong setting, and the import
of what loads a retriever; the peer is `import sentence_transformers`, which a script with it needs first.
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from side_by_side import Measured, compare, write_json

ROOT = Path(__file__).parents[1]
PEER = "import sentence_transformers"
OURS = {
    "`python train.py --help`": (("train.py", "--help"), 0),
    "`python train.py` with a wrong setting": (("train.py", "trainer.max_step=1"), 2),
    "`import embedder; embedder.load`": (("-c", "import embedder; embedder.load"), 0),
}
"""Words of the command, and its exit status."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    ways: dict[str, Callable[[], float]] = {name: partial(spent, *how) for name, how in OURS.items()}
    ways[PEER] = partial(spent, ("-c", PEER), 0)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(arguments.runs + 1):
        for name, way in ways.items():
            found = way()
            if round_number:  # the first one fills the caches of files
                seconds[name].append(found)
    rows = [
        compare(f"{name} against `{PEER}`", Measured(seconds[name], 0), Measured(seconds[PEER], 0)) for name in OURS
    ]
    for row in rows:
        spread = f"{row.lowest_ratio:.1f} to {row.highest_ratio:.1f}"
        print(f"{row.name}: {row.ours:.2f} s and {row.peer:.2f} s, ratio {row.ratio:.1f} ({spread})")
    if arguments.json:
        write_json(arguments.json, rows)


def spent(words: Sequence[str], status: int) -> float:
    """Processor seconds of a process that ends with this status."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=False)  # noqa: S603  # our own words
    if done.returncode != status:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
