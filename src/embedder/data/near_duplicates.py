"""Keys of a corpus that repeat an earlier key, exactly or nearly, found without comparing all pairs.

MinHash with banded hashing (Broder, 1997; `rensa`) proposes pairs, and the exact Jaccard similarity of their shingles
decides, so that no key is called a duplicate by chance. Of pairs at the limit at most 1 % are missed, of nearer ones
fewer. MinHash of `datasketch` took four times the time and the memory for the same passages.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.progress import track

from embedder.data.shingles import jaccard, shingles
from embedder.errors import MissingExtraError, extra
from embedder.texts import text_hash
from embedder.types import KeyStore

_PERMUTATIONS = 128
_MISSED = 0.01  # of pairs at the limit
_SEED = 0


class Duplicate(NamedTuple):
    """A key that repeats an earlier one: positions in the corpus, and their Jaccard similarity, 1 for exact copies."""

    position: int
    original: int
    similarity: float


def duplicates(corpus: KeyStore, limit: float) -> Iterator[Duplicate]:
    """Keys whose text is, up to normal form, that of an earlier key, or shares `limit` of its shingles with it.

    Each is named with the most similar original, among equals the first. A duplicate is never an original, so chains of
    small changes do not join keys that differ: all similarities are to a key that stays.

    Args:
        corpus: Read once, in order; 1.6 KB of memory a key at 0.9, and 5.5 KB at 0.5.
        limit: Above 0, at most 1.

    Raises:
        MissingExtraError: `rensa` is not installed.
    """
    sketch, index = _rensa(limit)
    first: dict[int, int] = {}  # by hash of the text
    for position, text in enumerate(track(corpus.texts(), "near duplicates", len(corpus))):
        exact = first.setdefault(text_hash(text), position)
        if exact < position:
            yield Duplicate(position, exact, 1.0)
            continue
        own = shingles(text)
        hashes = sketch(_PERMUTATIONS, _SEED)
        hashes.update(sorted(own))
        near = [(jaccard(own, shingles(corpus[other].text)), -other) for other in index.query(hashes)]
        share, other = max(near, default=(0.0, 0))
        if share >= limit:
            first[text_hash(text)] = -other  # exact copies of a near duplicate are those of its original
            yield Duplicate(position, -other, share)
        else:
            index.insert(position, hashes)


def bands(limit: float) -> int:
    """The fewest bands of equal length that miss at most 1 % of the pairs at a limit: (1 - limit^rows)^bands.

    >>> bands(0.9), bands(0.8), bands(0.5)
    (16, 32, 64)
    """
    divisors = (n for n in range(1, _PERMUTATIONS + 1) if _PERMUTATIONS % n == 0)
    return next((n for n in divisors if (1 - limit ** (_PERMUTATIONS // n)) ** n <= _MISSED), _PERMUTATIONS)


def _rensa(limit: float) -> tuple[Any, Any]:
    """The class of a sketch, and an empty index of sketches."""
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError as error:
        raise MissingExtraError("rensa", extra("duplicates"), "finding near duplicates in a corpus") from error
    return RMinHash, RMinHashLSH(limit, _PERMUTATIONS, bands(limit))
