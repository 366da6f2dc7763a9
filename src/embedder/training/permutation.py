"""A random order of n items; any position of it can be computed without the others."""

_MASK = (1 << 64) - 1
_ROUNDS = 6


def permuted(position: int, n: int, seed: int, epoch: int) -> int:
    """The item at `position` of a pseudo-random order of `range(n)`.

    A Feistel network permutes the next power of four above n; values outside of `range(n)` are walked through until one
    falls inside (cycle walking), which keeps it a permutation. Time and memory do not depend on n, so that resuming in
    the middle of an epoch of a billion records is as quick as at its start.

    Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002.

    >>> sorted(permuted(position, 5, seed=0, epoch=0) for position in range(5))
    [0, 1, 2, 3, 4]

    Args:
        position: From 0 to n - 1.
        n: Number of items.
        seed: Another seed gives another order.
        epoch: Another epoch too.
    """
    half_bits = max(1, ((n - 1).bit_length() + 1) // 2)
    half_mask = (1 << half_bits) - 1
    value = position
    while True:
        left, right = value >> half_bits, value & half_mask
        for round_number in range(_ROUNDS):
            left, right = right, left ^ (_mix(seed, epoch, round_number, right) & half_mask)
        value = left << half_bits | right
        if value < n:
            return value


def _mix(*values: int) -> int:
    """A 64-bit hash of integers (the finaliser of splitmix64, chained)."""
    state = 0
    for value in values:
        state = (state + (value & _MASK) + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state
