"""What a tuning costs, stage by stage and over all its starts: minutes, tokens of the LLM, and money."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedder.digests import expecting_own
from embedder.files import write_atomically
from embedder.llm.usage import Price, Tokens, Usage
from embedder.rewards.estimate import duration

_FEW_TOKENS = 1000  # of which no speed is learned
_SPEEDS = "speed.json"


@dataclass(frozen=True)
class Stage:
    """One stage of a run, in one of its starts."""

    name: str
    seconds: float
    asked: Tokens


class Costs:
    """Adds up what stages take, also those of earlier starts of the same run.

    A stage is written down when it ends, whatever ends it; only what a killed process did in its last stage is not
    counted.

    Args:
        path: Where the stages are kept; None if another process of the run keeps them.
        usage: Of the LLM that all stages ask.
        price: Of its tokens.
    """

    def __init__(self, path: Path | None, usage: Usage, price: Price) -> None:
        self._path, self._usage, self._price = path, usage, price
        self._earlier = [] if path is None or not path.is_file() else _stages_in(path)
        self._now: list[Stage] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside as a stage."""
        started, asked = time.perf_counter(), self._usage.asked
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self._now.append(Stage(name, seconds, self._usage.asked - asked))
            if self._path is not None:
                write_atomically(self._path, json.dumps([asdict(stage) for stage in self._stages], indent=1))

    @property
    def _stages(self) -> list[Stage]:
        return [*self._earlier, *self._now]

    @property
    def asked(self) -> Tokens:
        """Tokens that the LLM read and wrote, in all starts."""
        return sum((stage.asked for stage in self._stages), Tokens())

    @property
    def money(self) -> float | None:
        """For the tokens that were asked; None without a price."""
        return self._price.of(self.asked.read, self.asked.written)

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "stages": [asdict(stage) for stage in self._stages],
            "asked": asdict(self.asked),
            "price": asdict(self._price),
            "money": self.money,
        }

    def sentence(self) -> str:
        """What it cost, in words."""
        asked = self.asked
        of_stage: dict[str, float] = {}
        for stage in self._stages:
            of_stage[stage.name] = of_stage.get(stage.name, 0.0) + stage.seconds
        seconds = sum(of_stage.values())
        each = ", ".join(f"{name} {duration(own)}" for name, own in of_stage.items())
        money = "" if self.money is None else f", and {self.money:,.2f} {self._price.currency}"
        return (
            f"It took {duration(seconds)} ({each}), {asked.read:,.0f} tokens that the LLM read and "
            f"{asked.written:,.0f} that it wrote{money}."
        )


def _stages_in(path: Path) -> list[Stage]:
    with expecting_own(path):
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Stage(str(row["name"]), float(row["seconds"]), Tokens(**row["asked"])) for row in rows]


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
    with expecting_own(path):
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {fingerprint: float(speed) for fingerprint, speed in found.items()}
