"""Say what rewards from texts will cost: a few queries are answered and judged, and the means extrapolated."""

import dataclasses
import time
from collections.abc import Callable, Sequence

from embedder.rewards.asking import Ask, WrittenReward, converse
from embedder.rewards.estimate import LabelEstimate
from embedder.rewards.label_counts import LabelCounts
from embedder.rewards.probe import spread
from embedder.rewards.requests import LabelRequest
from embedder.rewards.written_engine import write
from embedder.types import LanguageModel

_ROW_BYTES = 20  # of address and length of a stored text


def estimate_written(
    language_model: LanguageModel,
    reward: WrittenReward,
    requests: Sequence[LabelRequest],
    counts: LabelCounts,
    n_requests: int,
    clock: Callable[[], float] = time.perf_counter,
) -> LabelEstimate:
    """Have a few queries judged, from the shortest to the longest, each alone; no store is read or written.

    Alone, a query has fewer requests in flight than labelling has, so a server may be quicker than this says. The
    tokens are those that the LLM counts; 0 where a server says nothing.

    Args:
        language_model: Writes.
        reward: Says what it is asked.
        requests: What is to be labelled, or a part of it.
        counts: Of all that is to be labelled.
        n_requests: So many are timed, after the shortest once untimed.
        clock: Seconds from any origin.
    """
    asked: list[Ask] = []
    texts: list[str] = []

    def record(asks: Sequence[Ask]) -> list[list[str]]:
        answers = write(asks, language_model.generate, language_model.sample)
        asked.extend(asks)
        texts.extend(text for own in answers for text in own)
        return answers

    chosen = spread(requests, n_requests, 0)
    converse([reward.talk(chosen[0])], lambda asks: write(asks, language_model.generate, language_model.sample))
    tokens, seconds = language_model.tokens_run, []
    for request in chosen:
        before = clock()
        converse([reward.talk(request)], record)
        seconds.append(max(clock() - before, 1e-9))
    queries, share = counts.queries, counts.queries / len(chosen)
    return LabelEstimate(
        counts=dataclasses.replace(counts, n_outputs=0.0, sampled=0.0),
        passes=0,
        outputs=len(texts) / max(1, len(asked)),
        sampled_prompts=round(share * len(asked)),
        score_tokens=0,
        sample_tokens=round(share * (language_model.tokens_run - tokens)),
        score_seconds=0.0,
        sample_seconds=share * sum(seconds),
        seconds_low=queries * min(seconds),
        seconds_high=queries * max(seconds),
        megabytes=share * sum(len(text.encode()) + _ROW_BYTES for text in texts) / 1e6,
        probed=len(chosen),
    )
