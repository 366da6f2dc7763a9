"""`evaluate.py experiment=paper_table`: the benchmarks of a paper in one go, in one table with its numbers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.utils import instantiate

from embedder.app.evaluate import EvaluateRun
from embedder.checks import checked
from embedder.encoders.checkpoint import training_of
from embedder.entry.parts import composed_part
from embedder.errors import ConfigError
from embedder.evaluation.rows import row_names
from embedder.published.lines import Line, Measured
from embedder.published.numbers import Published
from embedder.published.table import write_table

logger = logging.getLogger(__name__)

_OWN = ("experiment", "action", "paper")


@checked("paper")
@dataclass(frozen=True)
class PaperRun:
    """What `evaluate.py action=paper` does: each part is an evaluation in a folder of its own.

    Args:
        protocol: Overrides of every part.
        parts: By name, the overrides of each.
        settings: The user's overrides of every part; those of the command come after all.
        published: The numbers beside ours.
        output_dir: Of the parts, and of `paper.md` and `paper.json`.
    """

    protocol: Sequence[str]
    parts: Mapping[str, Sequence[str]]
    settings: Sequence[str]
    published: Published
    output_dir: str

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("experiment", "one with the benchmarks of a paper, such as paper_table", None)

    @property
    def kept(self) -> str:
        """What a stopped run leaves."""
        return f"what was done is kept; to resume, run the same command with hydra.run.dir={self.output_dir}"

    def run(self) -> list[Line]:
        """Evaluate part by part; what is wrong with the settings of any shows before the first is begun."""
        folder = Path(self.output_dir)
        configs = {
            name: composed_part("evaluate", [*self.protocol, *own, *self.settings], _OWN, folder / name)
            for name, own in self.parts.items()
        }
        runs: dict[str, EvaluateRun] = {name: instantiate(one.run, _convert_="all") for name, one in configs.items()}
        _check_rows(runs)
        for benchmark in self.published.benchmarks.values():
            if (part := runs.get(benchmark.part)) is not None:
                benchmark.check(part.cutoffs, answered=part.rag_enabled)
        for name, run in runs.items():
            _check_data(name, run)
        measured: dict[str, Measured] = {}
        lines: list[Line] = []
        for number, name in enumerate(configs, 1):
            logger.info("part %d of %d: %s", number, len(configs), name)
            run = runs.pop(name)  # the models of a part go with it
            rows = run.score()
            logger.info("%s: the LLM ran %s tokens", name, f"{run.language_model.tokens_run:,}")
            trained = training_of(run.checkpoint).base if run.checkpoint is not None else None
            names = str(configs[name].llm.name), str(configs[name].encoder.name), trained
            measured[name] = Measured(rows, *names)
            lines = write_table(folder, self.published, measured)
        logger.info("table: %s", folder / "paper.md")
        return lines


def _check_rows(runs: Mapping[str, EvaluateRun]) -> None:
    """Refuse rows that are unknown, or whose checkpoint was not trained on a task of a part."""
    untrained: list[str] = []
    known: tuple[str, ...] = ()
    for name, run in runs.items():
        rows = row_names(run.rows, run.checkpoint, list(run.retrievers))
        if run.checkpoint is not None and {"trained", "hybrid"}.intersection(rows):
            known = training_of(run.checkpoint).tasks
            if known and not {task.name for task in run.tasks.values()}.issubset(known):
                untrained.append(f"~paper.parts.{name}")
    if untrained:
        expected = f"a model trained on the tasks of all parts ({' '.join(untrained)} leaves out those without)"
        raise ConfigError("checkpoint", expected, sorted(known))


def _check_data(part: str, run: EvaluateRun) -> None:
    """Load what is missing of the data of a part; refuse a part without any."""
    try:
        run.pairs()
    except ConfigError as error:
        expected = f"a part whose data sets are there ('~paper.parts.{part}' leaves it out): {error.expected}"
        raise ConfigError(f"{error.setting} of paper.parts.{part}", expected, error.got) from error
