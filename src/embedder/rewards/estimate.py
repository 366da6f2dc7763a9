"""Say what labelling will cost before it is started: the times of a probe, extrapolated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedder.rewards.label_counts import LabelCounts
from embedder.rewards.probe import Probe
from embedder.rewards.sampled_outputs import DRAWS

SCORE_ROW_BYTES = 28  # 16 of address, 8 of log-likelihood, 4 of token count; hashes do not compress
_SAMPLE_ROW_BYTES = 16  # of address; the texts come on top


@dataclass(frozen=True)
class LabelEstimate:
    """What labelling costs. An upper bound where queries share prompts."""

    counts: LabelCounts
    passes: int
    """Prompts to score, each once with all its outputs; several share a batch. 0 for a reward from texts."""
    outputs: float
    """Outputs scored in a pass: competitors and gold answers; for a reward from texts those written for a prompt."""
    sampled_prompts: int
    """Prompts to sample or to write after; a query that needs a second round counts twice."""
    score_tokens: int
    """Tokens that the LLM reads and writes: a server reads a prompt again for each of its outputs."""
    sample_tokens: int
    """The same of sampling or writing."""
    score_seconds: float
    sample_seconds: float
    seconds_low: float
    """If all prompts were as quick for their length as the quickest of the probe, and batches cost nothing."""
    seconds_high: float
    """If all were as slow for their length as the slowest, and batches saved nothing."""
    megabytes: float
    """Of the stores on disk, 10^6 bytes."""
    probed: int
    """Requests that were timed."""

    @property
    def seconds(self) -> float:
        """Of scoring and sampling."""
        return self.score_seconds + self.sample_seconds

    @property
    def tells_no_tokens(self) -> bool:
        """Whether the LLM, a server, does not say how many tokens it runs."""
        return not self.score_tokens + self.sample_tokens

    def render(self) -> str:
        """Plain text for people."""
        counts = self.counts
        prompts_a_second = (
            f"{_count(self.sampled_prompts / self.sample_seconds)} prompts/s" if self.sampled_prompts else "none needed"
        )
        if self.passes:
            rows = [
                ("sample", self.sampled_prompts, float(DRAWS), self.sample_tokens, self.sample_seconds),
                ("score", self.passes, self.outputs, self.score_tokens, self.score_seconds),
            ]
            speed = self.score_tokens or self.passes
            rates = [
                prompts_a_second,
                f"{_count(speed / self.score_seconds)} {'tokens' if self.score_tokens else 'prompts'}/s",
            ]
        else:  # a reward from texts
            rows = [("write", self.sampled_prompts, self.outputs, self.sample_tokens, self.sample_seconds)]
            rates = [prompts_a_second]
        low, high = duration(self.seconds_low), duration(self.seconds_high)
        return "\n".join(
            [
                f"To label {counts.queries:,} queries with {counts.candidates:.1f} candidates each",
                *(
                    f"  {name:<7}{prompts:>11,} prompts x {outputs:4.1f} outputs"
                    f"{_count(tokens) if tokens or not prompts else '?':>9} tokens{duration(seconds):>10}  ({rate})"
                    for (name, prompts, outputs, tokens, seconds), rate in zip(rows, rates, strict=True)
                ),
                *(["  tokens not told by the server"] if self.tells_no_tokens else []),
                f"  time   {duration(self.seconds)}, {low} to {high} (from {self.probed} timed queries)",
                f"  disk   {_count(self.megabytes)} MB",
            ]
        )


def estimate(counts: LabelCounts, probe: Probe) -> LabelEstimate:
    """Extrapolate from the probe.

    The seconds of a prompt are a straight line in its characters, fitted to the timings with no negative part, times
    what batches save. Since the line is straight, the mean length of all prompts is enough.
    """
    sampled_prompts = math.ceil(counts.queries * counts.sampled * probe.rounds)
    outputs = counts.n_outputs + counts.answers
    score, score_low, score_high = _extrapolate(
        [timing.score_characters for timing in probe.timings],
        [timing.score_seconds / timing.prompts for timing in probe.timings],
        counts.score_characters,
    )
    sample, sample_low, sample_high = _extrapolate(
        [timing.sample_characters for timing in probe.timings],
        [timing.sample_seconds for timing in probe.timings],
        counts.sample_prompt_characters,
    )
    disk = counts.passes * outputs * SCORE_ROW_BYTES + sampled_prompts * (_SAMPLE_ROW_BYTES + probe.sample_bytes)
    return LabelEstimate(
        counts=counts,
        passes=counts.passes,
        outputs=outputs,
        sampled_prompts=sampled_prompts,
        score_tokens=round(counts.passes * counts.score_characters * probe.score_tokens),
        sample_tokens=round(sampled_prompts * counts.sample_prompt_characters * probe.sample_tokens),
        score_seconds=counts.passes * probe.score_together * score,
        sample_seconds=sampled_prompts * probe.sample_together * sample,
        seconds_low=counts.passes * min(probe.score_together, 1.0) * score_low
        + sampled_prompts * min(probe.sample_together, 1.0) * sample_low,
        seconds_high=counts.passes * max(probe.score_together, 1.0) * score_high
        + sampled_prompts * max(probe.sample_together, 1.0) * sample_high,
        megabytes=disk / 1e6,
        probed=len(probe.timings),
    )


def duration(seconds: float) -> str:
    """A time that people can compare: `40 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for unit, length, limit in (("s", 1, 99.5), ("min", 60, 5400), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{_count(seconds / length)} {unit}"
    return f"{_count(seconds / 86400)} days"


def _extrapolate(characters: Sequence[float], seconds: Sequence[float], at: float) -> tuple[float, float, float]:
    """Seconds of a prompt with `at` characters: by the line, and if all were as the quickest or the slowest to it."""
    start, slope = _line(np.asarray(characters), np.asarray(seconds))
    ratios = [taken / (start + slope * length) for length, taken in zip(characters, seconds, strict=True)]
    expected = start + slope * at
    return expected, expected * min(1.0, *ratios), expected * max(1.0, *ratios)


def _line(x: Any, y: Any) -> tuple[float, float]:
    """Least squares of y = start + slope x with neither below 0: a longer prompt takes no less time."""
    if np.ptp(x) == 0:
        return float(y.mean()), 0.0
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    start = float(y.mean() - slope * x.mean())
    if slope < 0:
        return float(y.mean()), 0.0
    if start < 0:
        return 0.0, float((x * y).sum() / (x * x).sum())
    return start, slope


def _count(value: float) -> str:
    """Two or three digits that matter: `0.53`, `7.2`, `81`, `960`, `1,200`, `24 M`."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
