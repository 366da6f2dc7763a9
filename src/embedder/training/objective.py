"""The objective of a task: losses from `embedder.losses` and their weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

    @property
    def needs_positives(self) -> bool:
        """Whether it is a loss of labels: records without a labelled key take no part."""

    @property
    def needs_rewards(self) -> bool:
        """Whether it is a loss of rewards: records that no LLM judged take no part."""

    @property
    def needs_others(self) -> bool:
        """Whether keys of other queries take part."""

    def __call__(self, scores: Tensor, rewards: Tensor, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss of each query, finite also for those that take no part, [B]; see `Objective`."""


@checked("objective.losses.contrastive")
@dataclass(frozen=True)
class Contrastive:
    """InfoNCE of the labelled positives against the other keys of the group and of the batch."""

    weight: NonNegativeFloat = 1.0
    needs_positives = True
    needs_rewards = False
    needs_others = True

    def __call__(self, scores: Tensor, rewards: Tensor, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss of each query, [B]; see `Objective`."""
        return contrastive_loss(scores, positives, other_scores, reduction="none")


@checked("objective.losses.graded")
@dataclass(frozen=True)
class Graded:
    """Graded distillation of the rewards; keys of other queries are negatives of every candidate."""

    weight: NonNegativeFloat = 1.0
    teacher_temperature: PositiveFloat = 1.0
    needs_positives = False
    needs_rewards = True
    needs_others = True

    def __call__(self, scores: Tensor, rewards: Tensor, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss of each query, [B]; see `Objective`."""
        return graded_distillation_loss(scores, rewards, other_scores, self.teacher_temperature, reduction="none")


@checked("objective.losses.kl")
@dataclass(frozen=True)
class KL:
    """KL divergence from the softmax of the rewards, inside the group only."""

    weight: NonNegativeFloat = 1.0
    teacher_temperature: PositiveFloat = 0.1
    student_temperature: PositiveFloat = 1.0
    needs_positives = False
    needs_rewards = True
    needs_others = False

    def __call__(self, scores: Tensor, rewards: Tensor, positives: Tensor, other_scores: Tensor) -> Tensor:
        """The loss of each query, [B]; see `Objective`."""
        return kl_distillation_loss(
            scores, rewards, self.teacher_temperature, self.student_temperature, reduction="none"
        )


def with_labels(losses: Mapping[str, Loss]) -> dict[str, Loss]:
    """Losses that train on labels: as they are, or with the contrastive loss at weight 1 where none of labels counts.

    >>> with_labels({"contrastive": Contrastive(weight=0.0)})
    {'contrastive': Contrastive(weight=1.0)}

    Raises:
        ConfigError: Another loss has its name.
    """
    if any(loss.needs_positives and loss.weight > 0 for loss in losses.values()):
        return dict(losses)
    if (own := losses.get("contrastive")) is not None and own.weight > 0:
        expected = "another name for this loss, since the contrastive loss takes part under this one"
        raise ConfigError("objective.losses.contrastive", expected, own)
    return {**losses, "contrastive": Contrastive()}


LOWEST_LEARNED, HIGHEST_LEARNED = 0.005, 1.0
"""What a learned temperature stays within."""


@checked("objective")
@dataclass(frozen=True)
class Objective:
    """A weighted sum of losses over the same scores, each the mean over the records that it applies to.

        loss = sum_l weight_l * mean over the records of the batch, on all devices, that have what loss l needs

    A labelled record trains by the losses of labels, one that an LLM judged by those of rewards, one with both by
    both. A loss that applies to no record of a batch is 0 there.

    Args:
        losses: Named losses; those of weight 0 are left out.
        temperature: Cosines are divided by it.
        learned_temperature: Whether the temperature is trained, from there on.
        labels_only: Whether losses of rewards are left out; see `with_labels` for what trains on labels then.
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
    def used(self) -> dict[str, Loss]:
        """The losses that count, by name."""
        used = {name: loss for name, loss in self.losses.items() if loss.weight > 0}
        if not self.labels_only:
            return used
        return with_labels({name: loss for name, loss in used.items() if not loss.needs_rewards})

    @property
    def weights(self) -> list[float]:
        """Of the losses that count."""
        return [loss.weight for loss in self.used.values()]

    @property
    def needs_rewards(self) -> bool:
        """Whether any loss is one of rewards, so that an LLM has to judge."""
        return any(loss.needs_rewards for loss in self.used.values())

    @property
    def needs_others(self) -> bool:
        """Whether keys of other queries take part, so that those of all processes are gathered."""
        return any(loss.needs_others for loss in self.used.values())

    @property
    def needs_positives(self) -> bool:
        """Whether any loss is one of labels."""
        return any(loss.needs_positives for loss in self.used.values())

    def applies_to(self, *, labelled: bool, judged: bool) -> bool:
        """Whether any loss applies to a record that has labelled keys, or rewards, or both."""
        return any(
            (labelled or not loss.needs_positives) and (judged or not loss.needs_rewards) for loss in self.used.values()
        )

    def applies(self, positives: Tensor, judged: Tensor) -> Tensor:
        """Which losses apply to which records, bool [L, B].

        Args:
            positives: Which keys of a group are labelled positives, bool [B, N].
            judged: Which records have rewards, bool [B].
        """
        labelled, everywhere = positives.any(dim=-1), torch.ones_like(judged)
        rows = [
            (labelled if loss.needs_positives else everywhere) & (judged if loss.needs_rewards else everywhere)
            for loss in self.used.values()
        ]
        return torch.stack(rows)

    def __call__(
        self, scores: Tensor, rewards: Tensor, positives: Tensor, judged: Tensor, other_scores: Tensor
    ) -> Tensor:
        """The losses of each record without their weights, 0 where they do not apply, [L, B].

        Args:
            scores: Cosines of each query with the keys of its group over the temperature, [B, N]; -inf where a group
                has no such key.
            rewards: Of the same keys, [B, N]; -inf where a group has no such key, 0 in records that are not judged.
            positives: As in `applies`.
            judged: As in `applies`.
            other_scores: The same with the keys of other queries, [B, M]; -inf where a key is no negative.
        """
        losses = torch.stack([loss(scores, rewards, positives, other_scores) for loss in self.used.values()])
        return losses.masked_fill(~self.applies(positives, judged), 0.0)
