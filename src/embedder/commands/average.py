"""`embedder average`: one export from several, by the mean of their weights."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from embedder.commands.arguments import Arguments, run_plainly
from embedder.entry.surroundings import quiet_libraries

_ABOUT = """\
Average the weights of encoders that were trained from the same base, into a new export with the tasks of all of them.

  embedder average tools/export memory/export --to export                        # specialists as one encoder
  embedder average outputs/train/DATE/export base --weights 0.7 0.3 --to export  # nearer to what it began with

It takes seconds and no data. Score it on validation queries beside its parts: evaluate.py checkpoint=export."""


def average(arguments: Sequence[str]) -> None:
    """Run the command."""
    parser = Arguments("average", _ABOUT)
    add = parser.add_argument
    add("sources", nargs="+", metavar="SOURCE", help="an export, a .ckpt file, or base: what the first began with")
    add("--weights", nargs="+", type=float, metavar="SHARE", help="of each encoder; their sum is 1 (equal shares)")
    add("--to", required=True, metavar="FOLDER", help="where to write; an older export is replaced")
    given = parser.parse_args(arguments)
    run_plainly(lambda: _run(given))


def _run(given: Namespace) -> None:
    from embedder.search.average import average as write

    quiet_libraries()
    print(f"exported model: {write(given.sources, given.weights, Path(given.to))}")  # noqa: T201
