"""Self-paced learning: tasks whose loss is still high get a higher learning rate than tasks that are learnt."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from embedder.bounds import Bound, PositiveFloat, PositiveInt, ShareAboveZero, ShareBelowOne
from embedder.checks import checked


@dataclass
class _Progress:
    """What is known of one loss of a task: values seen, their decaying sum, and the loss that counts as 1."""

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

    Each loss of a task has a moving average and a reference of its own, and L and L0 are sums over those that have a
    reference. So a batch that has no judged record, to which one loss does not apply, does not look like progress.

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
    _tasks: dict[str, dict[str, _Progress]] = field(default_factory=dict, init=False, repr=False)

    def factor(self, task: str) -> float:
        """What the learning rate of the task's next step is multiplied by."""
        parts = [part for part in self._tasks.get(task, {}).values() if part.reference is not None]
        reference = sum(part.reference or 0.0 for part in parts)
        if reference <= 0:  # not known yet, or nothing was lost: nothing to compare with
            return 1.0
        ratio = max(sum(map(self._smoothed, parts)), 0.0) / reference
        return min(self.highest, max(self.lowest, math.pow(ratio, self.power)))

    def observe(self, task: str, losses: Mapping[str, float], step: int) -> None:
        """Take in the losses of a step.

        Args:
            task: Whose losses.
            losses: Of the global batch, by name, times their weights; those that applied to a record of it.
            step: How many steps are done, this one included.
        """
        parts = self._tasks.setdefault(task, {})
        for name, loss in losses.items():
            part = parts.setdefault(name, _Progress())
            part.visits += 1
            part.decayed = self.smoothing * part.decayed + (1 - self.smoothing) * loss
            if part.reference is None and part.visits >= self.warmup:
                part.reference = self._smoothed(part)
        if step % self.retake_steps == 0:
            for part in (part for parts in self._tasks.values() for part in parts.values()):
                if part.reference is not None:
                    part.reference = self._smoothed(part)

    def start_over(self, task: str) -> None:
        """Forget the losses of a task, whose next ones will be of another size; its factor is 1 at first."""
        self._tasks.pop(task, None)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, as plain values."""
        return {task: {name: asdict(part) for name, part in parts.items()} for task, parts in self._tasks.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from what `state_dict` gave."""
        self._tasks = {
            task: {name: _Progress(**values) for name, values in parts.items()} for task, parts in state.items()
        }

    def _smoothed(self, progress: _Progress) -> float:
        return progress.decayed / (1 - self.smoothing**progress.visits)
