"""What a tuning costs, stage by stage: minutes, tokens of the LLM, and money."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from embedder.files import write_atomically
from embedder.llm.usage import Price, Tokens, Usage
from embedder.rewards.estimate import duration

_FEW_TOKENS = 1000  # of which no speed is learned
_SPEEDS = "speed.json"


@dataclass(frozen=True)
class Stage:
    """One stage of a run, since the run was last started."""

    name: str
    seconds: float
    asked: Tokens
    stored: Tokens


@dataclass
class Costs:
    """Adds up what stages take.

    Args:
        usage: Of the LLM that all stages ask.
        price: Of its tokens.
    """

    usage: Usage
    price: Price
    stages: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside as a stage."""
        started, asked, stored = time.perf_counter(), self.usage.asked, self.usage.stored
        yield
        seconds = time.perf_counter() - started
        self.stages.append(Stage(name, seconds, self.usage.asked - asked, self.usage.stored - stored))

    @property
    def money(self) -> float | None:
        """For the tokens that were asked; None without a price."""
        return self.price.of(self.usage.asked.read, self.usage.asked.written)

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "stages": [asdict(stage) for stage in self.stages],
            "asked": asdict(self.usage.asked),
            "stored": asdict(self.usage.stored),
            "price": asdict(self.price),
            "money": self.money,
        }

    def sentence(self) -> str:
        """What it cost, in words."""
        asked, stored = self.usage.asked, self.usage.stored
        seconds = sum(stage.seconds for stage in self.stages)
        each = ", ".join(f"{stage.name} {duration(stage.seconds)}" for stage in self.stages)
        money = "" if self.money is None else f", and {self.money:,.2f} {self.price.currency}"
        found = (
            f" (about {stored.read:,.0f} and {stored.written:,.0f} more were in the store)"
            if stored.read or stored.written
            else ""
        )
        return (
            f"Since it was last started it took {duration(seconds)} ({each}), {asked.read:,.0f} tokens that the LLM "
            f"read and {asked.written:,.0f} that it wrote{found}{money}."
        )


def note_speed(store: Path, fingerprint: str, usage: Usage) -> None:
    """Write beside what an LLM has said how fast it was, for the next estimate."""
    tokens = usage.asked.read + usage.asked.written
    if tokens >= _FEW_TOKENS and usage.seconds > 0:
        speeds = _speeds(store) | {fingerprint: tokens / usage.seconds}
        write_atomically(store / _SPEEDS, json.dumps(speeds, indent=1))


def speed_of(store: Path, fingerprint: str) -> float | None:
    """Tokens a second, as they were last measured; None where they never were."""
    return _speeds(store).get(fingerprint)


def _speeds(store: Path) -> dict[str, float]:
    path = store / _SPEEDS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
