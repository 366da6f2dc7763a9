"""Makes a run independent of its surroundings: the terminal's encoding, a home folder, a name of the user."""

import getpass
import io
import logging
import os
import sys
from pathlib import Path

logger = logging.getLogger(__name__)


def speak_any_encoding() -> None:
    """Let no text end a run because the terminal cannot show it, such as that of a progress bar."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def settle(fallback: Path) -> None:
    """Give a user without home folder or name both, before libraries look for them as they are imported.

    Args:
        fallback: The home folder of such a user.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"
    if (lacking := _lacking_home()) is not None:
        fallback.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(fallback.absolute())
        logger.warning(
            "%s: libraries keep their settings and caches in %s; HOME=FOLDER chooses another", lacking, fallback
        )


def _lacking_home() -> str | None:
    """What is wrong with the home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return "HOME is not set, and this user has no home folder"
    caches = home / ".cache"  # may well be there where nothing more can be written, with what is needed in it
    try:
        caches.mkdir(exist_ok=True)
    except OSError as error:
        return f"HOME={home} cannot be written ({error.strerror})"
    return None
