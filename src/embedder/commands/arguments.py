"""The arguments of a command that Hydra does not read."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import NoReturn

from embedder.entry.faults import end, message_for_user
from embedder.shown import shown
from embedder.started import command


class Arguments(ArgumentParser):
    """A parser whose errors end the process with one message.

    Args:
        name: The command.
        description: What `--help` says of it, with its line breaks.
    """

    def __init__(self, name: str, description: str) -> None:
        super().__init__(
            prog=command(name),
            description=description,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """End the process with what argparse says, and where the arguments are explained."""
        end(f"{self.prog}: {shown(message)}; {self.prog} --help explains the arguments", 2)


def run_plainly(run: Callable[[], None]) -> None:
    """Do the work of a command; an error that a user can correct ends the process with status 2 and one message."""
    try:
        run()
        sys.stdout.flush()  # a full disk is an error here, not a warning of Python's at the end
    except KeyboardInterrupt:
        end("stopped by Ctrl-C", 130)
    except Exception as error:
        line = message_for_user(error)
        if line is None:
            raise
        end(line, 2)
