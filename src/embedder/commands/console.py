"""The command `embedder`: its commands, their one-line summaries, and what each of them starts."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name

from embedder import __version__
from embedder.entry.faults import end
from embedder.entry.start import enter
from embedder.entry.surroundings import settle_streams
from embedder.shown import nearest, shown


@dataclass(frozen=True)
class Command:
    """A command: the line that `embedder --help` shows of it, and what is called with the arguments behind its name."""

    summary: str
    run: Callable[[Sequence[str]], None]


def _later(name: str) -> Callable[[Sequence[str]], None]:
    """The command of a module that is imported when it runs."""
    return lambda arguments: resolve_name(f"embedder.commands.{name}:{name}")(arguments)


COMMANDS = {  # in the order of --help
    "train": Command("train a retriever with the rewards of an LLM, and export it", partial(enter, "train")),
    "prepare": Command("propose candidates and let the LLM judge them, as train does too", partial(enter, "prepare")),
    "evaluate": Command("score a retriever beside the baselines, and compare evaluations", partial(enter, "evaluate")),
    "tune": Command("go from a folder of documents and an LLM to a retriever and a verdict", _later("tune")),
    "search": Command("find the best keys for a question with a trained retriever", _later("search")),
    "export": Command("write the encoder of a checkpoint, complete its card, push it", _later("export")),
    "average": Command("make one encoder of several, by the mean of their weights", _later("average")),
}
_HELP = """\
Usage: embedder COMMAND ...

{commands}

embedder COMMAND --help explains a command; embedder --version is the version.
Data and outputs lie in the current folder; paths.root=FOLDER chooses another one."""


def main(command: str | None = None) -> None:
    """Run the command that the arguments of this process name.

    Args:
        command: Its name, in front of the arguments of a script of its own.
    """
    first, *arguments = [*([command] if command else []), *sys.argv[1:]] or ["--help"]
    settle_streams(outlast_reader=first != "search")  # all others leave files, or little is left to say
    if first in ("--help", "-h", "help"):
        width = max(map(len, COMMANDS))
        lines = (f"  {name:{width}}  {one.summary}" for name, one in COMMANDS.items())
        print(_HELP.format(commands="\n".join(lines)))  # noqa: T201
    elif first == "--version":
        print(f"embedder {__version__}")  # noqa: T201
    elif first in COMMANDS:
        COMMANDS[first].run(arguments)
    else:
        expected = f"one of {', '.join(COMMANDS)}{nearest(first, list(COMMANDS))}"
        end(f"embedder: expected a command, {expected}, got {shown(repr(first))}", 2)
