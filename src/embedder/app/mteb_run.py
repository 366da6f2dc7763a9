"""Tasks of MTEB, run by the library `mteb` itself, with our encoder and the instructions that it was trained with."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from embedder.checks import checked
from embedder.encoders.checkpoint import load_trained
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.entry.environment import environment
from embedder.errors import ConfigError, MissingExtraError, extra
from embedder.evaluation.tasks_of_checkpoint import tasks_of_checkpoint
from embedder.files import write_atomically
from embedder.preparation.dense import read_by
from embedder.training.task import Task
from embedder.types import Encoder, FloatArray, TaskSides

logger = logging.getLogger(__name__)


class MtebEncoder:
    """An encoder as `mteb` calls it (its `EncoderProtocol`).

    Documents are encoded as keys. Everything else is encoded as a query, on both sides of tasks such as similarity of
    sentences, which know no documents.

    Args:
        encoder: Maps texts to unit vectors.
        sides: Instructions and lengths of queries and keys.
        name: As in the results of mteb, such as `ours/export`.
    """

    def __init__(self, encoder: Encoder, sides: TaskSides, name: str) -> None:
        from mteb.models import ModelMeta

        self._encoder, self._sides = encoder, sides
        self.mteb_model_meta = ModelMeta.create_empty(overwrites={"name": name, "embed_dim": encoder.dimension})

    def encode(self, inputs: Iterable[dict[str, Any]], *, prompt_type: Any = None, **_kwargs: Any) -> FloatArray:
        """Unit vectors of all texts of the batches, [n, D]; other arguments of mteb are not used."""
        texts = [text for batch in inputs for text in batch["text"]]
        return self._encoder.encode(texts, self._sides.key if prompt_type == "document" else self._sides.query)

    def similarity(self, embeddings1: FloatArray, embeddings2: FloatArray) -> Any:
        """Inner products of all pairs, which are cosines of unit vectors, [n, m]."""
        from mteb.similarity_functions import dot_score

        return dot_score(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: FloatArray, embeddings2: FloatArray) -> Any:
        """Inner products of the pairs in order, [n]."""
        from mteb.similarity_functions import pairwise_dot_score

        return pairwise_dot_score(embeddings1, embeddings2)


def score(encoder: Any, tasks: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """What mteb says of each task: its main score, and every score by split.

    Args:
        encoder: An `MtebEncoder`; mteb asks for no more of it, though its types do.
        tasks: Tasks of mteb.
    """
    import mteb

    results = mteb.evaluate(encoder, tasks, cache=None, show_progress_bar=False)
    return {
        result.task_name: {"main_score": result.get_score(), "mteb": result.mteb_version, "scores": result.scores}
        for result in results.task_results
    }


@checked("run")
@dataclass(frozen=True)
class MtebRun:
    """What `action=mteb` does.

    Args:
        tasks: The task mix: one task, whose instructions are used.
        names: Names of MTEB tasks.
        benchmark: Name of an MTEB benchmark, whose tasks come on top; None for none.
        tasks_of_checkpoint: Of the mix only the tasks that the checkpoint was trained on.
        encoder: The untrained encoder, which is scored where there is no checkpoint, without instructions.
        checkpoint: What is scored.
        output_dir: Where `mteb.json` goes.
    """

    tasks: dict[str, Task]
    names: Sequence[str]
    encoder: EncoderConfig
    output_dir: str
    checkpoint: str | None = None
    benchmark: str | None = None
    tasks_of_checkpoint: bool = False

    def __post_init__(self) -> None:
        if not self.names and self.benchmark is None:
            raise ConfigError("run.names", "names of MTEB tasks, or run.benchmark", list(self.names))

    def run(self) -> dict[str, dict[str, Any]]:
        """Score all tasks and write the JSON."""
        task, tasks = self._task(), self._mteb_tasks()
        encoder, sides = self._model(task)
        name = Path(self.checkpoint or self.encoder.name).name or "encoder"
        scores = score(MtebEncoder(encoder, sides, f"embedder/{name}"), tasks)
        for name, found in scores.items():
            logger.info("%s: %.4f", name, found["main_score"])
        protocol = {
            "environment": environment(),
            "checkpoint": self.checkpoint,
            "encoder": asdict(self.encoder),
            "sides": asdict(sides),
        }
        path = Path(self.output_dir) / "mteb.json"
        write_atomically(path, json.dumps({"protocol": protocol, "tasks": _finite(scores)}, indent=1))
        logger.info("scores: %s", path)
        return scores

    def _mteb_tasks(self) -> list[Any]:
        try:
            import mteb
        except ImportError as error:
            raise MissingExtraError("mteb", extra("mteb"), "action=mteb") from error
        tasks = []
        for name in self.names:
            try:
                tasks.append(mteb.get_task(name))
            except KeyError as error:  # it suggests names alike
                raise ConfigError(
                    "run.names", f"names of MTEB tasks ({str(error.args[0]).removeprefix('KeyError: ')})", name
                ) from None
        if self.benchmark is not None:
            try:
                tasks += list(mteb.get_benchmark(self.benchmark).tasks)
            except KeyError as error:
                expected = f"the name of an MTEB benchmark ({error.args[0]})"
                raise ConfigError("run.benchmark", expected, self.benchmark) from None
        return tasks

    def _task(self) -> Task:
        tasks = tasks_of_checkpoint(self.tasks, self.checkpoint) if self.tasks_of_checkpoint else self.tasks
        if len(tasks) != 1:
            raise ConfigError("task_mix", "one task, whose instructions are used", list(tasks))
        (task,) = tasks.values()
        return task

    def _model(self, task: Task) -> tuple[Encoder, TaskSides]:
        if self.checkpoint is None:
            return TextEncoder(self.encoder), read_by(self.encoder, task, instructions=False)
        trained = load_trained(self.checkpoint)
        return trained.encoder, trained.sides_of(task.name)


def _finite(value: Any) -> Any:
    """Null where MTEB has no number, such as the area under a curve of one point: NaN is no JSON."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
