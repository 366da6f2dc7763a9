"""What every entry point does: build the run from its config, log its surroundings, report errors in one line."""

import logging
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from embedder.app.plain_log import log_plainly
from embedder.errors import EmbedderError, Interrupted

logger = logging.getLogger(__name__)

_PACKAGES = ("embedder", "torch", "transformers", "lightning", "faiss-cpu", "bm25s", "hydra-core", "numpy")


class Run(Protocol):
    """What `config.run` builds."""

    def run(self) -> Any:
        """Do the work; a number that it returns is what a sweep goes by."""
        ...


def start(config: Any) -> float | None:
    """Build `config.run` and run it; an error that a user can mend ends the process with status 2 and one message.

    In a sweep it ends that job alone.

    Args:
        config: The composed configuration (a DictConfig).

    Returns:
        What a sweep goes by, where the run has such a number.
    """
    from embedder.app.sweep_job import as_job, in_sweep

    return as_job(lambda: _start(config)) if in_sweep() else _start(config)


def _start(config: Any) -> float | None:
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate
    from omegaconf.errors import OmegaConfBaseException

    log_plainly()
    _quiet_libraries()
    logger.info("environment: %s", ", ".join(f"{name} {value}" for name, value in environment().items()))
    logger.info("config: %s", Path(HydraConfig.get().runtime.output_dir) / ".hydra" / "config.yaml")
    try:
        run: Run = instantiate(config.run, _convert_="all")
        outcome = run.run()
        return outcome if isinstance(outcome, float) else None
    except Interrupted as stop:
        logger.warning("%s", stop)
        sys.exit(stop.status)
    except (EmbedderError, InstantiationException, OmegaConfBaseException) as error:
        cause = _users_error(error)
        if cause is None:
            raise
        logger.error("%s", cause)
        sys.exit(2)


def environment() -> dict[str, str]:
    """Versions and machine kind that every result carries."""
    found = {"python": platform.python_version(), "machine": f"{platform.machine()} {os.cpu_count()} cores"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if (commit := _commit()) is not None:
        found["commit"] = commit
    return found


def _commit() -> str | None:
    """The commit of the checkout that this file lies in, with a plus sign if files differ from it."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _users_error(error: BaseException) -> str | None:
    """The message for a user inside a chain of exceptions, or None if the fault is ours."""
    from hydra.errors import InstantiationException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, InstantiationException) and isinstance(error.__cause__, TypeError | ValueError):
        # A constructor was given what it cannot take: Hydra says which one.
        where = str(error).rpartition("full_key: ")[2].strip() if "full_key" in str(error) else "the configuration"
        return f"{where}: {next(iter(str(error.__cause__).splitlines()), type(error.__cause__).__name__)}"
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, EmbedderError):
            return str(chain)
        if isinstance(chain, OmegaConfBaseException):
            return str(chain).splitlines()[0]
        chain = chain.__cause__
    return None


def _quiet_libraries() -> None:
    """Libraries speak when something is wrong; progress and one line a stage are ours."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers fork after the tokenizer has been used
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # FAISS and torch share the cores
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    for name in ("httpx", "urllib3", "faiss", "sentence_transformers", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
