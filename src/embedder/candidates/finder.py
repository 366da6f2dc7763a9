"""Candidates of a query: its gold keys, then what the sources propose, then random keys if those run out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from embedder.candidates.candidates import Candidates
from embedder.candidates.distinct import Distinct
from embedder.candidates.filters import HoldsAnswer
from embedder.candidates.proposers import Hits, Proposer
from embedder.data.eligible import eligible_keys
from embedder.data.queries import random_of
from embedder.index.fusion import reciprocal_rank_fusion
from embedder.texts import normal_form
from embedder.types import Candidate, Eligible, Key, KeyStore, Query

_CHUNK = 1000  # queries ranked together
_FILTERED_DEPTH = 100  # ranks looked at for a query when some of the keys may be skipped


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
        self.copies: dict[str, list[int]] = {}
        """Positions of near duplicates of gold keys that were found so far, by query id: never its negatives."""
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
        for start in range(0, len(queries), _CHUNK):
            chunk = queries[start : start + _CHUNK]
            top_k = max(map(self._depth, chunk))
            of_sources = [proposer.rank(chunk, top_k) for proposer in self._proposers]
            for query, rankings in zip(chunk, zip(*of_sources, strict=True), strict=True):
                # Cut for this query alone: its candidates depend on no other query of the call.
                self.unranked += not any(ranking.positions for ranking in rankings)
                yield self._choose(query, [ranking.first(self._depth(query)) for ranking in rankings])

    def _depth(self, query: Query) -> int:
        """How many ranks are enough for a query: gold and excluded texts are skipped, and what filters leave out."""
        settings = self._settings
        if settings.range_max is not None:
            return settings.range_max
        spare = _FILTERED_DEPTH if settings.filters.are_on or settings.near_duplicates is not None else 0
        return max(spare, settings.range_min + settings.n + len(query.positives) + len(query.exclude))

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
        limited = [
            (ranking, limits)
            for proposer, ranking in zip(self._proposers, rankings, strict=True)
            if (limits := settings.filters.limits(ranking.gold_scores, are_cosines=proposer.name == "dense"))
        ]
        skipped = {position for ranking in rankings for position in ranking.positions[: settings.range_min]}
        fused = reciprocal_rank_fusion([ranking.positions[settings.range_min :] for ranking in rankings])
        drawn = list(fused)
        if settings.sampling_strategy == "random":
            random_of(query, settings.seed).shuffle(drawn)
        texts = (self._corpus[position].text for position in (*gold, *excluded))
        apart = Distinct(settings.near_duplicates, texts)
        found: list[int] = []
        for position in chain(drawn, self._random_positions(query, eligible_keys(query, self._corpus))):
            if len(chosen) + len(found) == settings.n:
                break
            key = self._corpus[position]
            form = normal_form(key.text)
            if form in taken or position in skipped:
                continue
            like = apart.first_like(key.text)
            if like is not None and like < len(gold):
                self.copies.setdefault(query.id, []).append(position)
            near = None if like is None else "near_duplicates"
            if reason := near or _too_high(position, limited) or self._objection(query, key):
                skipped.add(position)
                self.dropped[reason] += 1
                continue
            found.append(position)
            taken.add(form)
            apart.add(key.text)
        # A draw is shown best first too, as early stop wants it.
        order = {position: rank for rank, position in enumerate(fused)}
        found.sort(key=lambda position: order.get(position, len(order)))
        return (*chosen, *(Candidate(self._corpus[position], *_best_rank(position, ranks)) for position in found))

    def _objection(self, query: Query, key: Key) -> str | None:
        """The filter that the text of a key does not pass."""
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


def _too_high(position: int, limited: Sequence[tuple[Hits, Mapping[str, float]]]) -> str | None:
    """The limit that the score of a key is above, whether a source ranks it or it was drawn at random."""
    for ranking, limits in limited:
        score = ranking.score_of(position)
        for name, limit in limits.items():
            if score > limit:
                return name
    return None


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
