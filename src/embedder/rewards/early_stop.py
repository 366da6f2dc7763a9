"""Judge candidates in waves and stop a query when further candidates no longer raise the best reward."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import numpy as np

from embedder.bounds import PositiveInt, Seed, Share
from embedder.checks import checked
from embedder.rewards.requests import LabelRequest
from embedder.rewards.tables import Reward, ScoreTable, rewards_of

logger = logging.getLogger(__name__)


class Engine(Protocol):
    """Labels requests, and reads what rewards are made from off the store."""

    def label(self, requests: Sequence[LabelRequest]) -> None:
        """Ask the LLM for whatever the store lacks."""

    def tables(self, requests: Sequence[LabelRequest]) -> list[ScoreTable]:
        """The scores of each request."""


@dataclass(frozen=True)
class EarlyStopReport:
    """What stopping early saved, and what it changed.

    Args:
        candidates: All of them.
        judged: Those that the LLM has judged, audited ones not counted.
        audited: Stopped queries whose other candidates were judged after all.
        changed: The audited queries where a candidate that would have been skipped earns more than the best one.
        mean_loss: Reward that the best judged candidate lacks to the best of all, averaged over the audited queries.
    """

    candidates: int = 0
    judged: int = 0
    audited: int = 0
    changed: int = 0
    mean_loss: float = 0.0

    @property
    def saved(self) -> float:
        """Share of the candidates that were not judged."""
        return 1 - self.judged / self.candidates if self.candidates else 0.0

    def __add__(self, other: "EarlyStopReport") -> "EarlyStopReport":
        audited = self.audited + other.audited
        loss = self.mean_loss * self.audited + other.mean_loss * other.audited
        return EarlyStopReport(
            self.candidates + other.candidates,
            self.judged + other.judged,
            audited,
            self.changed + other.changed,
            loss / audited if audited else 0.0,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EarlyStopReport":
        """From what `as_json` gave."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return asdict(self) | {"saved": self.saved}

    def __str__(self) -> str:
        return (
            f"early stop: {self.judged} of {self.candidates} candidates judged, {self.saved:.0%} saved; "
            f"of {self.audited} stopped queries judged in full, {self.changed} have a better candidate among "
            f"the skipped ones (mean loss {self.mean_loss:.3g})"
        )


@checked("prepare.rewards.early_stop")
@dataclass(frozen=True)
class EarlyStop:
    """When a query is settled: so many waves in a row had no candidate that beats the best one before them.

    Args:
        wave: Candidates judged together, in their order: labelled ones, then the first matches.
        patience: Waves without a better candidate.
        audit: Share of the stopped queries whose other candidates are judged nevertheless, to report what stopping
            changed. They are drawn by a hash of seed and prompt: the same ones in every part of the queries.
        seed: Of the drawing.
    """

    wave: PositiveInt = 2
    patience: PositiveInt = 1
    audit: Share = 0.05
    seed: Seed = 0

    def label(
        self, engine: Engine, reward: Reward, requests: Sequence[LabelRequest], always: Sequence[int]
    ) -> tuple[list[tuple[float, ...]], EarlyStopReport]:
        """Rewards of the candidates judged, the first ones of each request.

        Args:
            engine: Labels.
            reward: What decides.
            requests: The queries.
            always: So many candidates of each are judged before the first wave.

        Returns:
            Rewards of each query, fewer than its candidates where it stopped, and the report.
        """
        sizes = [len(request.candidate_prompts) for request in requests]
        judged = [0] * len(requests)
        rewards: list[tuple[float, ...]] = [()] * len(requests)
        active = [i for i, size in enumerate(sizes) if size]
        while active:
            for i in active:
                judged[i] = min(sizes[i], max(judged[i], always[i]) + self.wave)
            shortened = [requests[i].first(judged[i]) for i in active]
            engine.label(shortened)
            for i, earned in zip(active, rewards_of(engine.tables(shortened), reward), strict=True):
                rewards[i] = earned
            active = [i for i in active if judged[i] < sizes[i] and not self.is_settled(rewards[i], always[i])]
        stopped = [i for i in range(len(requests)) if judged[i] < sizes[i]]
        report = EarlyStopReport(sum(sizes), sum(judged)) + self._audit(engine, reward, requests, rewards, stopped)
        return rewards, report

    def is_settled(self, rewards: Sequence[float], always: int) -> bool:
        """Whether no candidate of the last `patience` waves beats the best one before them."""
        before = len(rewards) - self.patience * self.wave
        return before >= max(always, 1) and max(rewards[before:]) <= max(rewards[:before])

    def _is_audited(self, request: LabelRequest) -> bool:
        digest = hashlib.blake2b(f"{self.seed}/{request.prompt}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") < self.audit * 2**64

    def _audit(
        self,
        engine: Engine,
        reward: Reward,
        requests: Sequence[LabelRequest],
        rewards: Sequence[tuple[float, ...]],
        stopped: Sequence[int],
    ) -> EarlyStopReport:
        chosen = [i for i in stopped if self._is_audited(requests[i])]
        if not chosen:
            return EarlyStopReport()
        audited = [requests[i] for i in chosen]
        engine.label(audited)
        earned = rewards_of(engine.tables(audited), reward)
        losses = [max(full) - max(rewards[i]) for i, full in zip(chosen, earned, strict=True)]
        return EarlyStopReport(
            audited=len(chosen), changed=sum(loss > 0 for loss in losses), mean_loss=float(np.mean(losses))
        )
