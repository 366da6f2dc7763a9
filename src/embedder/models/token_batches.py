"""Cut work of different lengths into batches of a bounded number of tokens."""

from collections.abc import Iterator, Sequence


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions of `lengths` in batches whose padded size (rows times the longest row) is within the budget.

    Longest first: little is lost to padding, and a batch that is too large for the memory is met at once and not after
    hours. A row that is longer than the budget is a batch of its own.
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
