"""Self-paced learning: tasks whose loss is still high get a higher learning rate than tasks that are learnt."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from embedder.bounds import Bound, PositiveFloat, PositiveInt, ShareAboveZero, ShareBelowOne
from embedder.checks import checked


@dataclass
class _Progress:
    """What is known of a task: losses seen, their decaying sum, and the loss that counts as 1."""

    visits: int = 0
    decayed: float = 0.0
    reference: float | None = None


@checked("callbacks.plain.self_paced")
@dataclass
class SelfPace:
    """A factor for each task: its smoothed loss over its reference loss, clipped.

        factor = clip((L / L0) ** power, lowest, highest)

    L is a moving average of the task's losses that starts without bias. L0 is L after the first `warmup` losses of the
    task, and is taken again every `retake_steps` steps. Until there is one, the factor is 1.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), self-paced learning scheduling; Liu, Liang and Gitter, AAAI 2019,
    loss-balanced task weighting (there with a power of 0.5).

    Args:
        retake_steps: Steps after which all references are taken again; 1,000 in the paper.
        smoothing: Weight of the past in the moving average.
        lowest: Least factor.
        highest: Largest factor.
        power: Below 1 flattens the factors.
        warmup: Losses of a task before it has a reference.
    """

    retake_steps: PositiveInt = 1000
    smoothing: ShareBelowOne = 0.9
    lowest: ShareAboveZero = 0.2
    highest: Annotated[float, Bound("1 or more", at_least=1)] = 2.0
    power: PositiveFloat = 1.0
    warmup: PositiveInt = 10
    _tasks: dict[str, _Progress] = field(default_factory=dict, init=False, repr=False)

    def factor(self, task: str) -> float:
        """What the learning rate of the task's next step is multiplied by."""
        progress = self._tasks.get(task)
        if progress is None or progress.reference is None:
            return 1.0
        if progress.reference <= 0:  # nothing was lost: nothing to compare with
            return 1.0
        ratio = max(self._smoothed(progress), 0.0) / progress.reference
        return min(self.highest, max(self.lowest, math.pow(ratio, self.power)))

    def observe(self, task: str, loss: float, step: int) -> None:
        """Take in the loss of a step.

        Args:
            task: Whose loss.
            loss: Of the global batch.
            step: How many steps are done, this one included.
        """
        progress = self._tasks.setdefault(task, _Progress())
        progress.visits += 1
        progress.decayed = self.smoothing * progress.decayed + (1 - self.smoothing) * loss
        if progress.reference is None and progress.visits >= self.warmup:
            progress.reference = self._smoothed(progress)
        if step % self.retake_steps == 0:
            for other in self._tasks.values():
                if other.reference is not None:
                    other.reference = self._smoothed(other)

    def start_over(self, task: str) -> None:
        """Forget the losses of a task, whose next ones will be of another size; its factor is 1 at first."""
        self._tasks.pop(task, None)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, as plain values."""
        return {task: asdict(progress) for task, progress in self._tasks.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from what `state_dict` gave."""
        self._tasks = {task: _Progress(**values) for task, values in state.items()}

    def _smoothed(self, progress: _Progress) -> float:
        return progress.decayed / (1 - self.smoothing**progress.visits)
