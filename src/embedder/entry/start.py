"""What every entry point does: build the run from its config, run it, and report errors in one line."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from embedder.entry.environment import environment
from embedder.entry.faults import end, message_for_user
from embedder.entry.plain_log import log_plainly
from embedder.entry.project import conf_folder
from embedder.entry.run_folder import is_first_process, put_back_settings
from embedder.entry.secrets import refuse_arguments
from embedder.entry.settings import check_settings
from embedder.entry.signals import Stopped, stopping_at_signals
from embedder.entry.surroundings import quiet_libraries, settle
from embedder.errors import Interrupted
from embedder.started import command

logger = logging.getLogger(__name__)

_CALLBACKS = {
    "secrets": "embedder.entry.secrets.RefuseSecrets",
    "folder": "embedder.entry.run_folder.HoldRunFolder",
    "sweep": "embedder.entry.sweep.SweepCallback",
}
"""What Hydra calls before and after a run, in this order; also of a configuration that is not in `conf/`, as of a
resumed run."""


class Run(Protocol):
    """What `config.run` builds.

    It may have a text `kept`: what a stopped run leaves and how to resume it. And it may have `made_of`: the data and
    models that it reads, as values of JSON with digests, if it would do everything again where it has been done.
    """

    def run(self) -> Any:
        """Do the work; returns the number that a sweep optimises, if there is one."""


def enter(name: str, arguments: Sequence[str]) -> None:
    """Run one of the entry points; what is wrong with the command line ends the process with one message.

    Args:
        name: `train`, `prepare` or `evaluate`.
        arguments: Hydra's flags and overrides.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, in place of printing and exiting by itself
    with stopping_at_signals():
        try:
            refuse_arguments(arguments)
            _hydra(name, arguments)
        except Stopped as stop:
            end("stopped before anything was done", 128 + stop.number)
        except Exception as error:
            from embedder.entry.command_line import mended  # Hydra is loaded by now

            line, status = mended(error, name, arguments)
            if line is None:
                raise
            end(line, status)


def _hydra(name: str, arguments: Sequence[str]) -> None:
    """What `hydra.main` does, with the arguments of a command in place of those of the process.

    Processes that Lightning starts repeat `sys.argv`, so this stays as it is.
    """
    import hydra.version
    from hydra._internal.utils import _run_hydra, get_args_parser

    hydra.version.setbase("1.3")
    parser = get_args_parser()
    parser.prog = command(name)
    given = parser.parse_args(arguments)
    if given.config_path is not None and "://" not in given.config_path:
        given.config_path = str(Path(given.config_path).absolute())  # Hydra would look beside this file
    given.overrides += [f"++hydra.callbacks.{one}._target_={target}" for one, target in _CALLBACKS.items()]
    _run_hydra(given, parser, start, str(conf_folder()), name)


def start(config: Any) -> float | None:
    """Build `config.run` and run it; an error that a user can correct ends the process with status 2 and one message.

    In a sweep it ends that job alone.

    Args:
        config: The composed configuration (a DictConfig).

    Returns:
        What a sweep optimises, if the run has such a number.
    """
    from embedder.entry.sweep_job import as_job, in_sweep

    return as_job(partial(_start, config), config) if in_sweep() else _start(config)


def _start(config: Any, outcome_of: Callable[[Run], Any] = lambda run: run.run()) -> float | None:
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    output_dir = Path(hydra.runtime.output_dir)
    run: Run | None = None
    with stopping_at_signals():
        try:
            log_plainly()
            check_settings(config, list(hydra.overrides.task))
            settle(Path(config.paths.data_dir) / "home")
            quiet_libraries()
            logger.info("environment: %s", ", ".join(f"{name} {value}" for name, value in environment().items()))
            logger.info("config: %s", output_dir / ".hydra" / "config.yaml")
            from hydra.utils import instantiate

            run = instantiate(config.run, _convert_="all")
            outcome = outcome_of(run)
            return outcome if isinstance(outcome, float) else None
        except Interrupted as stop:
            logger.warning("%s", stop)
            sys.exit(stop.status)
        except Stopped as stop:
            name = "Ctrl-C" if stop.number == signal.SIGINT else signal.Signals(stop.number).name
            if is_first_process():
                kept = "nothing was begun" if run is None else getattr(run, "kept", "run the same command again")
                logger.warning("stopped by %s: %s", name, kept)
            sys.exit(128 + stop.number)
        except Exception as error:
            put_back_settings()
            line = message_for_user(error, config, output_dir)
            if line is None:
                raise
            logger.error("%s", line)
            logger.debug("where it was raised (hydra.verbose=true shows this)", exc_info=error)
            sys.exit(2)
        finally:
            if getattr(run, "dry_run", False):
                put_back_settings()
