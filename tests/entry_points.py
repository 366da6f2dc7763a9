"""Run an entry point as a user does, in a process of its own or, without the seconds of its imports, in this one."""

import contextlib
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from embedder.entry.start import enter

ROOT = Path(__file__).parents[1]
NOWHERE = "/dev/null/nowhere"
"""A folder that nobody can make."""


def composed(name: str, *overrides: str) -> DictConfig:
    """Its configuration, of which nothing is built."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose(name, overrides=[f"paths.root={NOWHERE}", f"paths.output_dir={NOWHERE}", *overrides])


def run(entry: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own."""
    return subprocess.run([sys.executable, entry, *overrides], cwd=ROOT, capture_output=True, text=True, check=False)


def run_here(entry: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    """In this process, from the command line on; what it sets up for its own is put back.

    An exception that would end a process with a traceback is raised.
    """
    out, err, status = io.StringIO(), io.StringIO(), 0
    if "wandb" in sys.modules:  # it reads the environment once in a process, and this run has another one
        sys.modules["wandb"].teardown()
    with (
        _logging_put_back(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "argv", [entry, *overrides]),
        patch.dict("os.environ"),  # what a run sets is its own
    ):
        try:
            enter(Path(entry).stem, overrides)
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            HydraConfig.instance().cfg = None
    return subprocess.CompletedProcess([entry, *overrides], status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _logging_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
