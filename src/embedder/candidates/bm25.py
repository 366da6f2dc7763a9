"""Candidates from BM25: the gold keys of a query, then the best lexical matches, then random keys if those run out."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from embedder.errors import ConfigError, check_types
from embedder.index.bm25_index import BM25Index
from embedder.types import Candidate, KeyStore, Query


@dataclass(frozen=True)
class BM25Candidates:
    """How candidates are proposed.

    Args:
        n: Candidates of each query (the paper's M); gold keys are part of them.
        max_gold: At most so many gold keys; the rest of them are never proposed as negatives either.
        skip: So many best lexical matches are passed over (they are often unlabelled positives).
        seed: Chooses the random keys that fill up a query with too few matches.
    """

    n: int = 8
    max_gold: int = 2
    skip: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self, "candidates")
        if self.n < 2:
            raise ConfigError("candidates.n", "2 or more (a query needs something to compare)", self.n)
        if not 1 <= self.max_gold < self.n:
            raise ConfigError("candidates.max_gold", f"1 to {self.n - 1} (below candidates.n)", self.max_gold)
        if self.skip < 0:
            raise ConfigError("candidates.skip", "0 or more", self.skip)

    def propose(self, queries: Sequence[Query], corpus: KeyStore) -> Iterator[tuple[Candidate, ...]]:
        """The candidates of each query, gold ones first.

        Args:
            queries: The queries, with the ids of their gold keys.
            corpus: Where the keys are.

        Yields:
            For each query in order, at most `n` candidates with distinct texts; fewer only if the corpus has fewer.
        """
        index = BM25Index()
        index.build(corpus.texts())
        top_k = self.skip + self.n + max((len(query.positives) for query in queries), default=0)
        for start in range(0, len(queries), 1000):
            chunk = queries[start : start + 1000]
            scores, positions = index.search([query.text for query in chunk], top_k)
            for query, found_scores, found in zip(chunk, scores.tolist(), positions.tolist(), strict=True):
                ranked = [
                    (rank, score, position)
                    for rank, (score, position) in enumerate(zip(found_scores, found, strict=True), 1)
                ]
                # Cut for this query alone: its candidates depend on no other query of the call.
                own = ranked[: self.skip + self.n + len(query.positives)]
                yield self._choose(query, [item for item in own[self.skip :] if item[2] >= 0], corpus)

    def _choose(self, query: Query, ranked: list[tuple[int, float, int]], corpus: KeyStore) -> tuple[Candidate, ...]:
        gold = [corpus[corpus.position(key_id)] for key_id in query.positives]
        places = {corpus[position].id: (rank, score) for rank, score, position in ranked} if gold else {}
        chosen = [Candidate(key, "gold", *places.get(key.id, (None, None))) for key in gold[: self.max_gold]]
        taken = {key.text for key in gold}
        for rank, score, position in ranked:
            key = corpus[position]
            if len(chosen) < self.n and key.text not in taken:
                chosen.append(Candidate(key, "bm25", rank, score))
                taken.add(key.text)
        for position in self._random_positions(query, len(corpus)):
            if len(chosen) == self.n:
                break
            key = corpus[position]
            if key.text not in taken:
                chosen.append(Candidate(key, "random"))
                taken.add(key.text)
        return tuple(chosen)

    def _random_positions(self, query: Query, size: int) -> Iterator[int]:
        """Positions without repetition, a function of the query alone."""
        digest = hashlib.blake2b(f"{self.seed}/{query.id}".encode(), digest_size=8).digest()
        generator = random.Random(int.from_bytes(digest, "little"))  # noqa: S311  # not for cryptography
        seen: set[int] = set()
        while len(seen) < size:
            position = generator.randrange(size)
            if position not in seen:
                seen.add(position)
                yield position
