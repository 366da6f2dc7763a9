"""How long a validation takes, measured on a few keys of each data set before it begins, and what fewer keys save."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from embedder.types import Encoder, KeyStore, TaskSides

LONG_SECONDS = 60.0
"""A validation that takes longer says so beforehand."""
_MEASURED = 32  # keys of a data set, spread over its corpus
_FEWER = 4  # times fewer keys are offered
_LEAST_KEYS = 100


@dataclass(frozen=True)
class Part:
    """What is encoded of a data set.

    Args:
        n_keys: Searched in a validation.
        n_needed: Of them, those that stay whatever `max_keys` says: gold keys.
        n_others: Other texts: queries, and the texts of the validation loss.
        seconds_per_text: Measured on keys.
    """

    n_keys: int
    n_needed: int
    n_others: int
    seconds_per_text: float

    def seconds(self, max_keys: int | None = None) -> float:
        """How long it takes, or would with so many keys."""
        n_keys = self.n_keys if max_keys is None else min(self.n_keys, max(max_keys, self.n_needed))
        return (n_keys + self.n_others) * self.seconds_per_text


def measured(encoder: Encoder, corpus: KeyStore, sides: TaskSides) -> float:
    """Seconds that a key takes, the first call apart."""
    n = min(_MEASURED, len(corpus))
    texts = [corpus[index * len(corpus) // n].text for index in range(n)]
    encoder.encode(texts[:1], sides.key)
    begin = time.perf_counter()
    encoder.encode(texts, sides.key)
    return (time.perf_counter() - begin) / n


def long_validation(parts: Sequence[Part], n_validations: int) -> str | None:
    """What is to be said before a validation that takes long; None before one that does not.

    Args:
        parts: One for each data set.
        n_validations: In the whole run.
    """
    seconds = sum(part.seconds() for part in parts)
    if seconds <= LONG_SECONDS:
        return None
    n_keys = sum(part.n_keys for part in parts)
    message = (
        f"each of {n_validations} validations takes about {_minutes(seconds)}: {n_keys:,} keys and "
        f"{sum(part.n_others for part in parts):,} other texts of {len(parts)} data sets are encoded (measured on "
        f"{_MEASURED} keys of each)"
    )
    fewer = max(_LEAST_KEYS, max(part.n_keys for part in parts) // _FEWER)
    with_fewer = sum(part.seconds(fewer) for part in parts)
    if with_fewer < 0.9 * seconds:
        message += f"; callbacks.retrieval_eval.max_keys={fewer} would take about {_minutes(with_fewer)}"
    return message


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * LONG_SECONDS else f"{seconds / 60:.0f} minutes"
