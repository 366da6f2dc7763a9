"""A recipe without one of its techniques: what that changes in every task."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from embedder.checks import checked
from embedder.training.objective import KL, Graded, Loss, with_labels
from embedder.training.task import Task


@checked("run.variant")
@dataclass(frozen=True)
class Variant:
    """What an ablation changes, whichever tasks a mix has and whatever else is set; its other changes are settings.

    Args:
        labels: Whether tasks that distil rewards train on their labels too: by the losses of labels that they have, or
            by the contrastive loss at weight 1 where all of these have weight 0.
        distillation: The loss of the rewards: `graded`, or `kl` with the same weight and temperature of the rewards.
        instructions: Whether texts are read with the instructions of their task.
        reindexing: Whether new hard negatives are found where `callbacks.reindex` asks for them.
    """

    labels: bool = True
    distillation: Literal["graded", "kl"] = "graded"
    instructions: bool = True
    reindexing: bool = True

    def of(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        """The tasks, changed."""
        return {name: self._of(task) for name, task in tasks.items()}

    def _of(self, task: Task) -> Task:
        if not self.instructions:
            task = replace(task, query_instruction="", key_instruction="")
        if not task.objective.needs_rewards:
            return task
        losses: dict[str, Loss] = {
            name: self._distilling(loss)
            for name, loss in task.objective.losses.items()
            if self.labels or not loss.needs_positives
        }
        if self.labels:
            losses = with_labels(losses)
        return replace(task, objective=replace(task.objective, losses=losses))

    def _distilling(self, loss: Loss) -> Loss:
        if self.distillation == "kl" and isinstance(loss, Graded):
            return KL(loss.weight, loss.teacher_temperature)
        return loss
