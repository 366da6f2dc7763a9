"""A search over settings by Optuna, kept in the folder of the sweep: the same command resumes a killed one."""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from embedder.bounds import PositiveInt, Seed
from embedder.checks import checked
from embedder.entry.sweep_job import DATABASE, check_data_of_study, worth
from embedder.errors import ConfigError, DataError, MissingExtraError, extra
from embedder.locks import locked

logger = logging.getLogger(__name__)

_RESUMES = "run.checkpoint="  # changes no value of a trial


@checked("hydra.sweeper")
@dataclass(frozen=True)
class Study:
    """A search, and what runs its jobs.

    Args:
        config: Of the sweep.
        launch: Runs jobs with these overrides, numbered from the second argument on; returns what their runs returned.
        params: What is searched, beside what the command line says.
        n_trials: Jobs in all, including those before the search was resumed.
        at_once: Jobs that are launched together.
        seed: Of the search.
    """

    config: DictConfig
    launch: Callable[[Sequence[Sequence[str]], int], list[Any]]
    params: Mapping[str, str]
    n_trials: PositiveInt
    at_once: PositiveInt
    seed: Seed

    def search(self, arguments: Sequence[str]) -> float | None:
        """Run the trials that are missing; those that were cut off first, in their own folders.

        A trial is a function of the seed, its number and the values of those before it.

        Args:
            arguments: Overrides of the command line. Those with several values are searched, as `params` are.

        Returns:
            The best value.

        Raises:
            DataError: The study is damaged, or another process holds its folder.
            ConfigError: Nothing is searched, the folder holds another search, or a run has no value of `optimise`.
            MissingExtraError: Optuna is not installed.
        """
        try:
            import optuna  # noqa: F401  # said here, before anything is made
        except ImportError as error:
            raise MissingExtraError("optuna", extra("sweeps"), "a study") from error
        fixed, space = self._split(arguments)
        metric = OmegaConf.select(self.config, "optimise")
        if metric is None:
            raise ConfigError(
                "optimise", "a setting that names what a study optimises, which training and evaluation have", None
            )
        folder = Path(self.config.hydra.sweep.dir)
        with locked(folder):
            return self._search(folder, fixed, space, metric)

    def _search(self, folder: Path, fixed: list[str], space: dict[str, Override], metric: str) -> float | None:
        import optuna
        import sqlalchemy.exc

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            study = optuna.create_study(
                storage=f"sqlite:///{folder / DATABASE}",
                study_name="study",
                direction="maximize" if worth(self.config) > 0 else "minimize",
                load_if_exists=True,
            )
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as error:
            raise DataError(
                folder / DATABASE, None, f"not a whole study: {next(iter(str(error).splitlines()), '')}"
            ) from error
        _check_same(
            study,
            {
                "metric": metric,
                "searched": {n: one.input_line for n, one in space.items()},
                "fixed": [one for one in sorted(fixed) if not one.startswith(_RESUMES)],
            },
            folder,
        )

        def run(trials: Sequence[Any]) -> None:
            jobs = [
                [*fixed, *(f"{name}={_value(trial, name, one)}" for name, one in space.items())] for trial in trials
            ]
            for trial, value in zip(trials, self.launch(jobs, trials[0].number), strict=True):
                if value is None:
                    raise ConfigError("optimise", "a name that every run logs", metric)
                check_data_of_study(folder / str(trial.number))
                failed = math.isnan(value)
                study.tell(trial, None if failed else value, optuna.trial.TrialState.FAIL if failed else None)

        for begun in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            logger.info("trial %d was cut off: it runs again in %s", begun.number, folder / str(begun.number))
            run([optuna.trial.Trial(study, begun._trial_id)])  # the only way to a trial that is there
        while (n := len(study.trials)) < self.n_trials:
            trials = []
            for number in range(n, min(self.n_trials, n + self.at_once)):
                study.sampler = optuna.samplers.TPESampler(seed=self.seed * 1_000_003 + number)
                trials.append(study.ask())
            run(trials)
        if not study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
            return None
        logger.info("best of %d: %s %.4f with %s", n, metric, study.best_value, json.dumps(study.best_params))
        return float(study.best_value)

    def _split(self, arguments: Sequence[str]) -> tuple[list[str], dict[str, Override]]:
        """What all jobs share, and what is searched; the command line has the last word."""
        lines = [*(f"{name}={values}" for name, values in self.params.items()), *arguments]
        parsed = {override.get_key_element(): override for override in OverridesParser.create().parse_overrides(lines)}
        space = {name: override for name, override in parsed.items() if override.is_sweep_override()}
        fixed = [f"{k}={o.get_value_element_as_str()}" for k, o in parsed.items() if k not in space]
        if not space:
            raise ConfigError("hydra.sweeper.params", "settings with interval(...), range(...) or choice(...)", {})
        return fixed, space


def _value(trial: Any, name: str, searched: Override) -> str:
    """What a trial tries; what it was given before it was cut off it gets again."""
    sweep = searched.value()
    if not isinstance(sweep, IntervalSweep):
        return str(trial.suggest_categorical(name, [str(text) for text in searched.sweep_string_iterator()]))
    ends: tuple[Any, Any] = (sweep.start, sweep.end)
    suggest = trial.suggest_int if all(isinstance(end, int) for end in ends) else trial.suggest_float
    return str(suggest(name, *ends, log="log" in sweep.tags))


def _check_same(study: Any, about: Mapping[str, Any], folder: Path) -> None:
    """Refuse to resume a study with other settings, whose values do not compare; the message advises another folder."""
    earlier = study.user_attrs.get("about", about)
    if changed := {name: earlier.get(name) for name, value in about.items() if earlier.get(name) != value}:
        raise ConfigError("hydra.sweep.dir", f"a folder of its own: the study in it has {changed}", str(folder))
    study.set_user_attr("about", about)
