"""Candidates of a query: its gold keys, then what the sources propose, then random keys if those run out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated

from embedder.bounds import Bound, NonNegativeInt, Seed
from embedder.candidates.filters import CandidateFilters, HoldsAnswer
from embedder.candidates.proposers import Hits, Proposer
from embedder.checks import checked
from embedder.data.eligible import eligible_keys
from embedder.data.queries import random_of
from embedder.errors import ConfigError
from embedder.index.fusion import reciprocal_rank_fusion
from embedder.texts import normal_form
from embedder.types import Candidate, Eligible, Key, KeyStore, Query

SOURCES = ("bm25", "dense")
_CHUNK = 1000  # queries ranked together
_FILTERED_DEPTH = 100  # ranks looked at for a query when some of the keys may be skipped


@checked("candidates")
@dataclass(frozen=True)
class Candidates:
    """How candidates are proposed.

    Args:
        n: Candidates of each query (the paper's M); gold keys are part of them.
        max_gold: The most gold keys that are candidates; the others are never proposed as negatives either.
        skip: How many of the best matches of each source are skipped (they are often unlabelled positives).
        seed: Chooses the random keys that fill up a query with too few matches.
        sources: `bm25`, `dense` or both; the rankings of both are fused by reciprocal rank.
        filters: Which unlabelled candidates are skipped.
    """

    n: Annotated[int, Bound("2 or more (a query needs something to compare)", at_least=2)] = 8
    max_gold: int = 2
    skip: NonNegativeInt = 0
    seed: Seed = 0
    sources: tuple[str, ...] = ("bm25",)
    filters: CandidateFilters = field(default_factory=CandidateFilters)

    def __post_init__(self) -> None:
        if not 1 <= self.max_gold < self.n:
            raise ConfigError("candidates.max_gold", f"1 to {self.n - 1} (below candidates.n)", self.max_gold)
        object.__setattr__(self, "sources", tuple(self.sources))  # Hydra hands over a list
        if not self.sources or len(set(self.sources)) < len(self.sources) or not set(self.sources) <= set(SOURCES):
            raise ConfigError("candidates.sources", f"different ones of {', '.join(SOURCES)}", list(self.sources))


class CandidateFinder:
    """Proposes candidates for the queries of one corpus.

    Args:
        settings: How.
        proposers: The sources, in the order of the settings.
        corpus: Where the keys are.
        holds_answer: Tells whether a text contains an answer.
    """

    def __init__(
        self, settings: Candidates, proposers: Sequence[Proposer], corpus: KeyStore, holds_answer: HoldsAnswer
    ) -> None:
        self.dropped: Counter[str] = Counter()
        """How many candidates each filter has skipped so far."""
        self.unranked = 0
        """Queries so far for which no source ranks a key: all their negatives are random."""
        self._settings, self._proposers, self._corpus = settings, proposers, corpus
        self._holds_answer = holds_answer
        self._fitted = False

    def propose(self, queries: Sequence[Query]) -> Iterator[tuple[Candidate, ...]]:
        """The candidates of each query, gold ones first.

        Yields:
            For each query in order, at most `n` eligible candidates with distinct texts; fewer only if there are fewer.
        """
        if not self._fitted:
            for proposer in self._proposers:
                proposer.fit(self._corpus)
            self._fitted = True
        depth = _FILTERED_DEPTH if self._settings.filters.are_on else 0
        for start in range(0, len(queries), _CHUNK):
            chunk = queries[start : start + _CHUNK]
            top_k = max(depth, *(self._own_depth(query) for query in chunk))
            of_sources = [proposer.rank(chunk, top_k) for proposer in self._proposers]
            for query, rankings in zip(chunk, zip(*of_sources, strict=True), strict=True):
                # Cut for this query alone: its candidates depend on no other query of the call.
                own = max(depth, self._own_depth(query))
                self.unranked += not any(ranking.positions for ranking in rankings)
                yield self._choose(query, [ranking.first(own) for ranking in rankings])

    def _own_depth(self, query: Query) -> int:
        """How many ranks are enough for a query: gold and excluded texts are skipped."""
        return self._settings.skip + self._settings.n + len(query.positives) + len(query.exclude)

    def _choose(self, query: Query, rankings: Sequence[Hits]) -> tuple[Candidate, ...]:
        """Gold keys, then the fused rankings, then random keys."""
        settings = self._settings
        ranks = {proposer.name: _ranks(ranking) for proposer, ranking in zip(self._proposers, rankings, strict=True)}
        gold = [self._corpus.position(key_id) for key_id in query.positives]
        chosen = [
            Candidate(self._corpus[position], "gold", *ranks.get("bm25", {}).get(position, (None, None)))
            for position in gold[: settings.max_gold]
        ]
        excluded = [self._corpus.position(key_id) for key_id in query.exclude]
        taken = {normal_form(self._corpus[position].text) for position in (*gold, *excluded)}
        near_gold = frozenset[int]().union(*map(settings.filters.too_near_gold, rankings))
        fused = reciprocal_rank_fusion([ranking.positions[settings.skip :] for ranking in rankings])
        eligible = eligible_keys(query, self._corpus)
        passed_over = set()
        for position in chain(fused, self._random_positions(query, eligible)):
            if len(chosen) == settings.n:
                break
            key = self._corpus[position]
            form = normal_form(key.text)
            if form in taken or position in passed_over:
                continue
            if reason := self._objection(query, key, is_near_gold=position in near_gold):
                passed_over.add(position)
                self.dropped[reason] += 1
                continue
            chosen.append(Candidate(key, *_best_rank(position, ranks)))
            taken.add(form)
        return tuple(chosen)

    def _objection(self, query: Query, key: Key, *, is_near_gold: bool) -> str | None:
        """The filter that passes a key over, if one does."""
        if is_near_gold:
            return "max_gold_share"
        return "drop_answers" if self._settings.filters.gives_away(query, key, self._holds_answer) else None

    def _random_positions(self, query: Query, eligible: Eligible) -> Iterator[int]:
        """Eligible positions without repetition, a function of the query alone."""
        generator = random_of(query, self._settings.seed)
        seen: set[int] = set()
        while len(seen) < len(eligible):
            position = eligible.start + generator.randrange(eligible.stop - eligible.start)
            if position in eligible and position not in seen:
                seen.add(position)
                yield position


def _ranks(ranking: Hits) -> dict[int, tuple[int, float]]:
    """Rank, from 1, and score of each position in a ranking."""
    return {
        position: (rank, score)
        for rank, (position, score) in enumerate(zip(ranking.positions, ranking.scores, strict=True), 1)
    }


def _best_rank(
    position: int, ranks: Mapping[str, Mapping[int, tuple[int, float]]]
) -> tuple[str, int | None, float | None]:
    """The source that ranks a key highest, with rank and score there; `random` if none does."""
    ranked_by = [(name, *of_source[position]) for name, of_source in ranks.items() if position in of_source]
    return min(ranked_by, key=lambda source: source[1]) if ranked_by else ("random", None, None)
