"""Which retriever a row of the evaluation table stands for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from embedder.errors import ConfigError
from embedder.evaluation.retrievers import BM25Retriever, DenseRetriever, NoRetriever, RandomRetriever, Retriever
from embedder.models.checkpoint import TrainedEncoder, load_trained
from embedder.models.device import torch_device
from embedder.models.encoder import EncoderConfig
from embedder.models.half_precision import HalfPrecisionEncoder
from embedder.training.task import Task
from embedder.types import Encoder, TaskSides, VectorIndex

TITLES = {
    "none": "no retrieval",
    "random": "random",
    "bm25": "BM25",
    "base": "base encoder",
    "trained": "trained encoder",
}

PRECISIONS = ("32-true", "bf16-mixed")
_BASELINES: dict[str, Callable[[], Retriever]] = {"none": NoRetriever, "random": RandomRetriever, "bm25": BM25Retriever}


@dataclass(frozen=True)
class TableRows:
    """The models behind the rows, each loaded once.

    Args:
        names: Which rows, in their order.
        base: The untrained encoder, if a row needs it.
        trained: What `checkpoint` names, if a row needs it.
        new_index: Makes an empty index.
        base_instructions: Whether the base encoder gets the task's instructions, on which it was not trained.
        half_precision_on: The kind of device on which encoders compute in bfloat16; None for float32.
    """

    names: tuple[str, ...]
    base: Encoder | None
    trained: TrainedEncoder | None
    new_index: Callable[[], VectorIndex]
    base_instructions: bool
    half_precision_on: str | None = None

    @classmethod
    def load(
        cls,
        wanted: Sequence[str],
        encoder: EncoderConfig,
        checkpoint: str | None,
        new_index: Callable[[], VectorIndex],
        *,
        base_instructions: bool,
        precision: str = "32-true",
    ) -> "TableRows":
        """Load what the rows need; the row `trained` is left out where no checkpoint is named.

        Raises:
            ConfigError: A row is unknown, or none is left.
        """
        if not wanted or (unknown := [row for row in wanted if row not in TITLES]):
            raise ConfigError("rows", f"names among {list(TITLES)}", unknown[0] if wanted else list(wanted))
        names = tuple(name for name in wanted if name != "trained" or checkpoint is not None)
        if not names:
            raise ConfigError("checkpoint", "a checkpoint, since `trained` is the only row", None)
        if precision not in PRECISIONS:
            raise ConfigError("run.precision", f"one of {list(PRECISIONS)}", precision)
        half = None if precision == "32-true" else torch_device(encoder.device, "encoder.device").type
        base = encoder.build() if "base" in names else None
        trained = load_trained(checkpoint) if "trained" in names and checkpoint is not None else None
        return cls(names, base, trained, new_index, base_instructions, half)

    def retrievers(self, task: Task) -> dict[str, Retriever]:
        """A retriever for each row.

        Raises:
            ConfigError: The trained model does not know the task.
        """
        return {name: self._retriever(name, task) for name in self.names}

    def _retriever(self, name: str, task: Task) -> Retriever:
        if name == "base" and self.base is not None:
            plain = replace(task.sides, query_instruction="", key_instruction="")
            return self._dense(self.base, task.sides if self.base_instructions else plain)
        if name == "trained" and self.trained is not None:
            return self._dense(self.trained.encoder, self._trained_sides(task, self.trained))
        return _BASELINES[name]()

    def _dense(self, encoder: Encoder, sides: TaskSides) -> DenseRetriever:
        half = self.half_precision_on
        some = HalfPrecisionEncoder(encoder, half) if half else encoder
        return DenseRetriever(some, self.new_index, sides, progress=True)

    def _trained_sides(self, task: Task, trained: TrainedEncoder) -> TaskSides:
        if trained.sides is not None:
            return trained.sides
        if task.name not in trained.tasks:
            raise ConfigError("checkpoint", f"a model trained on the task {task.name!r}", sorted(trained.tasks))
        return trained.tasks[task.name]
