"""Keys of a corpus with the same text: labels name one of them, and metrics count the others as wrong."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from embedder.texts import text_hash
from embedder.types import KeyStore, Query


@dataclass(frozen=True)
class Copies:
    """How many keys of a corpus have the text of another key.

    Args:
        texts: Different texts that two or more keys have.
        queries: Queries with a gold key of such a text, while another key with it is not gold.
    """

    texts: int
    queries: int


def count_copies(corpus: KeyStore, queries: Iterable[Query]) -> Copies:
    """Compare all texts by their normal form; 8 bytes a key are held in memory meanwhile."""
    hashes = np.fromiter((text_hash(text) for text in corpus.texts()), np.int64, len(corpus))
    texts, counts = np.unique(hashes, return_counts=True)
    n_keys = dict(zip(texts[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True))
    n_queries = 0
    for query in queries if n_keys else ():
        gold = [int(hashes[corpus.position(key_id)]) for key_id in dict.fromkeys(query.positives)]
        n_queries += any(gold.count(text) < n_keys.get(text, 1) for text in gold)
    return Copies(len(n_keys), n_queries)
