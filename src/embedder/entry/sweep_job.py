"""One job of a sweep: it is independent of the job before it, and writes its result into its folder.

`python train.py -m ...` runs several jobs, one after the other in this process or each in one of its own.
"""

import hashlib
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from embedder.digests import expecting_own
from embedder.errors import DataError, EmbedderError
from embedder.files import write_atomically
from embedder.identity import identity
from embedder.results.measures import sign
from embedder.shown import shown

logger = logging.getLogger(__name__)

JOB, SWEEP, DATABASE = "job.json", "sweep.json", "study.db"
"""What a job writes into its folder, the sweep into its own, and a study beside it."""
Job = Mapping[str, Any]
"""`folder`, `number`, `settings`, `state` (done, failed or stopped), `value`, `scores` (those of `PLACES` that it has
scores in), `reason` of a failed one, and what tells whether it would be the same: `digest` (of its configuration) and
`made_of` (digests of its data and models, by the names that `Run.made_of` gives them). `same_as` names the folder of a
job before it that has the same configuration."""
PLACES = ("evaluation", "")
"""Where a job has its evaluation, in its own folder."""
_SIGNALS = 128  # a process that a signal ended has a higher exit status


def in_sweep() -> bool:
    """Whether this run is a job of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def as_job(start: Callable[[Callable[[Any], Any]], float | None], config: DictConfig) -> float | None:
    """Run a job, and let those after it run whatever happens to it; only a signal ends the sweep.

    A job that the same sweep has done before, in the same folder and with the same settings, data and models, is
    skipped; but not if scores that it had made are gone. A run that does not say what it is made of runs again, and
    finds by itself what it has done.

    Args:
        start: Builds the run and hands it to its argument; returns the number that the sweep optimises, or None if
            there is none.
        config: Of the job.

    Returns:
        That number; NaN for a job that failed, whose reason is in the log and in `job.json`.
    """
    hydra, before = HydraConfig.get(), dict(os.environ)
    path = Path(hydra.runtime.output_dir) / JOB
    # In Weights & Biases the jobs of a sweep are one group.
    os.environ.setdefault("WANDB_RUN_GROUP", Path(hydra.sweep.dir).absolute().name)
    about: dict[str, Any] = {"settings": settings_of(hydra.overrides.task), "state": "stopped", "value": None}
    about |= {"number": hydra.job.num, "digest": hashlib.sha256(OmegaConf.to_yaml(config).encode()).hexdigest()}
    earlier = earlier_job(path)
    is_same = earlier.get("state") == "done" and earlier.get("digest") == about["digest"]
    is_same = is_same and set(earlier.get("scores", ())) <= set(_scored(path.parent))
    if (same_as := _same_before(path, about)) is not None:
        about["same_as"] = same_as
        logger.warning("%s %s", path.parent.name, same_as_another(same_as))
    if not is_same:
        write_atomically(path, json.dumps(about))

    def outcome_of(run: Any) -> Any:
        if (made_of := getattr(run, "made_of", None)) is not None:
            about["made_of"] = {name: identity(part=part) for name, part in made_of.items()}
            if is_same and earlier.get("made_of") == about["made_of"]:
                logger.info("%s is done and is skipped", path.parent)
                return earlier["value"]
            if is_same:
                logger.warning("%s was done with other data or models, so it runs again", path.parent)
        write_atomically(path, json.dumps(about))
        check_data_of_study(path.parent)
        return run.run()

    try:
        about |= {"value": start(outcome_of), "state": "done", "scores": _scored(path.parent)}
    except SystemExit as end:  # one line has been logged
        status = end.code if isinstance(end.code, int) else 1
        if status > _SIGNALS:
            raise
        about |= {"state": "failed", "reason": shown(_message_of(end) or f"exit status {status}")}
    except Exception as error:
        logger.exception("the job failed")
        about |= {"state": "failed", "reason": shown(f"{type(error).__name__}: {error}")}
    finally:
        _leave_nothing(before)
    write_atomically(path, json.dumps(about))
    value: float | None = about["value"]
    return math.nan if about["state"] == "failed" else value


def about_sweep(folder: Path) -> dict[str, Any]:
    """What a sweep wrote of itself: `metric`, `worth` (1 where more of it is better, else -1) and `searched`."""
    with expecting_own(folder / SWEEP):
        about = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
        return {"metric": about["metric"], "worth": int(about["worth"]), "searched": list(about["searched"])}


def _scored(folder: Path) -> list[str]:
    """In which places a job has scores."""
    from embedder.results.scores_file import SCORES

    return [place for place in PLACES if (folder / place / SCORES).is_file()]


def earlier_job(path: Path) -> Job:
    """What a job of an earlier start has left in this folder; empty where there is nothing that can be read."""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return earlier if isinstance(earlier, dict) and "value" in earlier else {}


def _same_before(path: Path, about: Job) -> str | None:
    """The folder of a job of this sweep with a smaller number and the same configuration."""
    for other in sorted(path.parent.parent.glob(f"*/{JOB}")):
        job = earlier_job(other)
        if job.get("digest") == about["digest"] and job.get("number", math.inf) < about["number"]:
            return other.parent.name
    return None


def check_data_of_study(job: Path) -> None:
    """Refuse a trial whose data are not those of the trials of its study that are done.

    Called by the trial before it does anything, and by the study, which a failed trial alone does not end.
    """

    def sources(other: Job) -> Any:
        return (other.get("made_of") or {}).get("sources")  # None of a run that does not say what it is made of

    own = sources(earlier_job(job / JOB))
    if own is None or not (job.parent / DATABASE).is_file():
        return
    done = [other for path in job.parent.glob(f"*/{JOB}") if (other := earlier_job(path)).get("state") == "done"]
    if any(sources(other) not in (None, own) for other in done):
        message = "its data are not those of the trials before it: put them back, or choose another hydra.sweep.dir"
        raise DataError(job, None, message)


def same_as_another(folder: str) -> str:
    """What a job whose configuration another one has is told.

    Settings of the command line have the last word in Hydra, so one that is given for all jobs can take back the one in
    which a job was to differ.
    """
    return f"has the same configuration as {folder}: another setting of the command line overrides what it differs in"


def differing(jobs: Sequence[Job]) -> list[str]:
    """The settings in which jobs differ."""
    names = dict.fromkeys(name for job in jobs for name in job["settings"])
    return [name for name in names if any(job["settings"].get(name) != jobs[0]["settings"].get(name) for job in jobs)]


def searched_settings() -> dict[str, Any]:
    """The settings of this job that its sweep tries several values of; none outside of a sweep.

    Names are fit to be keys of Weights & Biases, which takes a dot for a level: `encoder.lr` is `encoder_lr`.
    """
    if not in_sweep():
        return {}
    hydra = HydraConfig.get()
    names = about_sweep(Path(hydra.sweep.dir))["searched"]
    return {key(name): value for name, value in settings_of(hydra.overrides.task).items() if name in names}


def settings_of(overrides: list[str]) -> dict[str, Any]:
    """Overrides such as `encoder.lr=1e-4` as names with values."""
    return {name: override.value() for name, override in _by_name(overrides).items()}


def worth(config: DictConfig) -> int:
    """1 where more of `optimise` is better, -1 where less is."""
    metric, best = OmegaConf.select(config, "optimise"), OmegaConf.select(config, "callbacks.plain.best")
    mode = best.mode if best is not None and best.monitor == metric else None
    return sign(metric or "", mode)


def searched_names(overrides: list[str], params: Mapping[str, str]) -> list[str]:
    """Which settings a sweep tries several values of: by its command line, and by `hydra.sweeper.params`."""
    last = _by_name([*(f"{k}={v}" for k, v in params.items()), *overrides])  # the command line has the last word
    return [name for name, override in last.items() if override.is_sweep_override()]


def _by_name(overrides: list[str]) -> dict[str, Override]:
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return {override.get_key_element().lstrip("+~"): override for override in parsed}


def key(name: str) -> str:
    """The name of a setting as a key of Weights & Biases."""
    return name.replace(".", "_").replace("@", "_").replace("/", "_")


def _message_of(end: SystemExit) -> str | None:
    """The message that ended a run."""
    error = end.__context__
    while error is not None and not isinstance(error, EmbedderError) and error.__cause__ is not None:
        error = error.__cause__
    return None if error is None else str(error)


def _leave_nothing(before: Mapping[str, str]) -> None:
    """Close the process group of a job and take back what its libraries set in the environment.

    A group of one process that is left open is taken over by the next job, however many processes that has.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
