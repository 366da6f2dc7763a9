"""Reading: how well the LLM foresees a text, such as a reply or the next chunk, with the keys in front of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from embedder.bounds import NonNegativeInt, PositiveInt
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, first_keys
from embedder.data.eligible import eligible_keys
from embedder.data.prompts import for_query
from embedder.results.measures import LARGEST_NATS
from embedder.types import Query, Ranking


@checked("consumer")
@dataclass(frozen=True)
class Perplexity:
    """Scores the answer itself after the prompt and writes nothing; nothing but the answer counts.

    For long documents (`document_order`) the keys are shown in the order of the corpus, and with `recent` the LLM also
    sees the chunks right before the query, which it would have in its window anyway. Each key there is a chunk with its
    continuation, so that every second key from the end of the query's own part is recent text; retrieved keys inside
    of it are skipped for the next ones of the ranking.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), conversation and long-range language modelling.

    Args:
        top_k: Keys shown to the LLM.
        document_order: Show keys as they follow each other in the corpus, not best first.
        recent: Keys (pairs of chunks) of recent text in front of the query, for documents alone.
    """

    top_k: PositiveInt = 1
    document_order: bool = False
    recent: NonNegativeInt = 0
    finds_answers = False  # a reply or a chunk stands in no key
    texts = ()  # it shows the scene's prompt and nothing else

    @property
    def shows_first_keys(self) -> bool:
        """Not if it skips those inside of recent text."""
        return not self.recent

    @property
    def alone(self) -> Consumer:
        """The same without keys."""
        return self

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query."""
        keys, prompts = [], []
        for query, ranking in zip(queries, rankings, strict=True):
            recent = self._recent(query, scene)
            shown = self._shown(ranking, recent, scene)
            order = sorted(shown.key_ids, key=scene.corpus.position) if self.document_order else shown.key_ids
            before = "".join(f"{scene.corpus[position].text} " for position in recent)
            keys.append(shown)
            prompts.append(for_query(scene.prompt, query).render(before + query.text, scene.texts(order)))
        gold = [scene.gold(query) for query in queries]
        scored = scene.language_model.score(prompts, gold)
        best = [max(score.mean_logprob for score in scores) for scores in scored]
        return [
            Outcome(shown, prompt, answers, None, {"perplexity": math.exp(min(-value, LARGEST_NATS))}, ())
            for shown, prompt, answers, value in zip(keys, prompts, gold, best, strict=True)
        ]

    def _recent(self, query: Query, scene: Scene) -> list[int]:
        """Positions of the keys that make up the text before the query, in order."""
        if query.among is None or not self.recent:
            return []
        eligible = eligible_keys(query, scene.corpus)
        return list(range(eligible.stop - 1, eligible.start - 1, -2))[: self.recent][::-1]

    def _shown(self, ranking: Ranking, recent: Sequence[int], scene: Scene) -> Ranking:
        """The best keys that share no text with the recent ones."""
        if not recent:
            return first_keys(ranking, self.top_k)
        kept = [
            (key_id, score)
            for key_id, score in zip(ranking.key_ids, ranking.scores, strict=True)
            if scene.corpus.position(key_id) + 1 < recent[0]
        ]
        return first_keys(Ranking(tuple(k for k, _ in kept), tuple(s for _, s in kept)), self.top_k)
