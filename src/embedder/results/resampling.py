"""Resamples of the values of queries, drawn once for all columns: what intervals and tests are read off.

A column is one metric of one retriever. A mean over a resample is linear in the values, so the means of all columns
over the same queries are one matrix product.
"""

import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt

from embedder.bounds import Bound, Seed
from embedder.checks import checked

Values = Mapping[str, float]
"""Query id -> value."""
Floats = npt.NDArray[np.float64]
Name = TypeVar("Name")

TOLERANCE = 1e-12
"""Differences below it are of rounding: ties."""
_BLOCK = 1 << 22  # queries drawn at a time: 32 MB as floats


Resamples = Annotated[int, Bound("100 or more", at_least=100)]


@checked("compare")
@dataclass(frozen=True)
class Sampling:
    """How resamples are drawn.

    Args:
        resamples: Of the bootstrap, and sign flips of the test; a p-value is never below 1 / (resamples + 1).
        seed: The same seed, queries and data set give the same resamples.
    """

    resamples: Resamples = 10_000
    seed: Seed = 0


@dataclass(frozen=True, eq=False)
class Column:
    """One metric of one retriever over the queries of one data set.

    Args:
        queries: Ids, sorted.
        values: In their order, [n].
        resampled: Its mean over each bootstrap resample, [R].
        flipped: Its mean with random signs, [R]; of a difference of columns, what chance alone would give.
        exponential: Whether the metric is exp of the mean, as perplexity is of nats a token.
        unbounded: Whether the metric may lie outside of 0 to 1.
    """

    queries: tuple[str, ...]
    values: Floats
    resampled: Floats
    flipped: Floats
    exponential: bool = False
    unbounded: bool = False

    @property
    def mean(self) -> float:
        """The metric."""
        return float(self.scaled(self.values.mean()))

    @property
    def is_binary(self) -> bool:
        """Whether every value is 0 or 1 and no other could be: a rank of 1 everywhere is not."""
        return not (self.exponential or self.unbounded) and bool(np.isin(self.values, (0.0, 1.0)).all())

    @property
    def is_constant(self) -> bool:
        """Whether all values are equal: resamples of such a column say nothing about other queries."""
        return bool(np.ptp(self.values) <= TOLERANCE)

    def scaled(self, means: Floats | np.floating) -> Floats | np.floating:
        """The metric of each mean of values."""
        return np.exp(means) if self.exponential else means


def resample(
    columns: Mapping[Name, Values],
    sampling: Sampling,
    stream: str = "",
    exponential: Collection[Name] = (),
    unbounded: Collection[Name] = (),
) -> dict[Name, Column]:
    """Draw the resamples of all columns of one data set; columns over the same queries share them.

    What is drawn depends on seed, stream and queries alone, not on which columns stand beside each other.

    Args:
        columns: Name -> the value of each query.
        sampling: How many, and the seed.
        stream: Name of the data set, so that two of them with the same ids are drawn independently.
        exponential: Names of columns whose metric is exp of the mean.
        unbounded: Names of columns whose metric may lie outside of 0 to 1.

    Raises:
        ValueError: A column is empty or has a value that is not finite.
    """
    alike: dict[tuple[str, ...], list[Name]] = {}
    for name, values in columns.items():
        if not values or not all(np.isfinite(value) for value in values.values()):
            raise ValueError(f"{name!r}: expected finite values of at least one query")
        alike.setdefault(tuple(sorted(values)), []).append(name)
    found: dict[Name, Column] = {}
    for queries, names in alike.items():
        matrix = np.array([[columns[name][query] for query in queries] for name in names], dtype=np.float64).T  # [n, M]
        key = [sampling.seed, zlib.crc32("\n".join((stream, *queries)).encode())]
        resampled = np.concatenate([counts @ matrix for counts in _drawn(len(queries), sampling.resamples, [*key, 0])])
        flipped = np.concatenate([signs @ matrix for signs in _signs(len(queries), sampling.resamples, [*key, 1])])
        for column, name in enumerate(names):
            found[name] = Column(
                queries,
                matrix[:, column],
                resampled[:, column] / len(queries),
                flipped[:, column] / len(queries),
                name in exponential,
                name in unbounded,
            )
    return {name: found[name] for name in columns}


def _drawn(n: int, resamples: int, seed: list[int]) -> Iterator[Floats]:
    """How often each resample holds each query, in blocks of resamples, [block, n]."""
    generator = np.random.default_rng(seed)
    for rows in _blocks(n, resamples):
        drawn = generator.integers(0, n, size=(rows, n), dtype=np.int32)
        drawn += np.arange(rows, dtype=np.int32)[:, None] * n  # at most _BLOCK, or n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _signs(n: int, resamples: int, seed: list[int]) -> Iterator[Floats]:
    """Random signs, in blocks of resamples, [block, n]."""
    generator = np.random.default_rng(seed)
    for rows in _blocks(n, resamples):
        bits = np.unpackbits(np.frombuffer(generator.bytes(rows * -(-n // 8)), np.uint8).reshape(rows, -1), axis=1)
        yield bits[:, :n].astype(np.float64) * 2 - 1


def _blocks(n: int, resamples: int) -> Iterator[int]:
    size = max(1, _BLOCK // n)
    yield from (min(size, resamples - start) for start in range(0, resamples, size))
