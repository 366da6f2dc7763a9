"""The objective of a task: losses from `embedder.losses` and their weights."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from embedder.bounds import NonNegativeFloat, PositiveFloat
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.losses.contrastive import contrastive_loss
from embedder.losses.graded import graded_distillation_loss
from embedder.losses.kl import kl_distillation_loss


class Loss(Protocol):
    """A loss over the scores of a batch, with its weight in the objective; a frozen dataclass of its settings."""

    @property
    def weight(self) -> float:
        """Its share of the objective; 0 leaves it out."""
        ...

    @property
    def needs_rewards(self) -> bool:
        """Whether records without rewards cannot be trained on."""
        ...

    @property
    def needs_others(self) -> bool:
        """Whether keys of other queries take part."""
        ...

    def __call__(self, scores: Tensor, rewards: Tensor | None, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss, a scalar; see `Objective`."""
        ...


@checked("objective.losses.contrastive")
@dataclass(frozen=True)
class Contrastive:
    """InfoNCE of the labelled positives against the other keys of the group and of the batch."""

    weight: NonNegativeFloat = 1.0
    needs_rewards = False
    needs_others = True

    def __call__(self, scores: Tensor, rewards: Tensor | None, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss, a scalar; see `Objective`."""
        return contrastive_loss(scores, positives, other_scores)


@checked("objective.losses.graded")
@dataclass(frozen=True)
class Graded:
    """Graded distillation of the rewards; keys of other queries are negatives of every candidate."""

    weight: NonNegativeFloat = 1.0
    teacher_temperature: PositiveFloat = 1.0
    needs_rewards = True
    needs_others = True

    def __call__(self, scores: Tensor, rewards: Tensor | None, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss, a scalar; see `Objective`."""
        return graded_distillation_loss(scores, _needed(rewards), other_scores, self.teacher_temperature)


@checked("objective.losses.kl")
@dataclass(frozen=True)
class KL:
    """KL divergence from the softmax of the rewards, inside the group only."""

    weight: NonNegativeFloat = 1.0
    teacher_temperature: PositiveFloat = 0.1
    student_temperature: PositiveFloat = 1.0
    needs_rewards = True
    needs_others = False

    def __call__(self, scores: Tensor, rewards: Tensor | None, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss, a scalar; see `Objective`."""
        return kl_distillation_loss(scores, _needed(rewards), self.teacher_temperature, self.student_temperature)


LOWEST_LEARNED, HIGHEST_LEARNED = 0.005, 1.0
"""What a learned temperature stays within."""


@checked("objective")
@dataclass(frozen=True)
class Objective:
    """A weighted sum of losses over the same scores.

    Args:
        losses: Named losses; those of weight 0 are left out.
        temperature: Cosines are divided by it.
        learned_temperature: Whether the temperature is trained, from there on.
        labels_only: Whether the contrastive loss stands alone, at weight 1 where it had 0, without rewards.
    """

    losses: dict[str, Loss] = field(default_factory=lambda: {"contrastive": Contrastive()})
    temperature: PositiveFloat = 0.02
    learned_temperature: bool = False
    labels_only: bool = False

    def __post_init__(self) -> None:
        if self.learned_temperature and not LOWEST_LEARNED <= self.temperature <= HIGHEST_LEARNED:
            expected = f"{LOWEST_LEARNED} to {HIGHEST_LEARNED} where it is learned"
            raise ConfigError("objective.temperature", expected, self.temperature)
        if not self.used:
            raise ConfigError("objective.losses", "at least one loss of positive weight", dict(self.losses))

    @property
    def used(self) -> list[Loss]:
        """The losses that count."""
        if not self.labels_only:
            return [loss for loss in self.losses.values() if loss.weight > 0]
        labels = [loss for loss in self.losses.values() if isinstance(loss, Contrastive)] or [Contrastive()]
        return [replace(loss, weight=loss.weight or 1.0) for loss in labels]

    @property
    def needs_rewards(self) -> bool:
        """Whether records without rewards cannot be trained on."""
        return any(loss.needs_rewards for loss in self.used)

    @property
    def needs_others(self) -> bool:
        """Whether keys of other queries take part, so that those of all processes are gathered."""
        return any(loss.needs_others for loss in self.used)

    @property
    def needs_positives(self) -> bool:
        """Whether records without a labelled positive cannot be trained on."""
        return any(isinstance(loss, Contrastive) for loss in self.used)

    def __call__(self, scores: Tensor, rewards: Tensor | None, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            scores: Cosines of each query with the keys of its group over the temperature, [B, N]; -inf where a group
                has no such key.
            rewards: Of the same keys, [B, N], or None.
            positives: Which of them are labelled positives, bool [B, N].
            other_scores: The same with the keys of other queries, [B, M]; -inf where a key is no negative.
        """
        terms = [loss.weight * loss(scores, rewards, positives, other_scores) for loss in self.used]
        return torch.stack(terms).sum()


def _needed(rewards: Tensor | None) -> Tensor:
    if rewards is None:
        raise ConfigError("task.objective", "losses without rewards for records that have none", "a distillation loss")
    return rewards
