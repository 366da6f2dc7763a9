"""Choose where there are options, write where there are none."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.consumers.consumer import Consumer, Outcome, Scene, shows_first_keys
from embedder.types import Query, Ranking


@dataclass(frozen=True)
class ByOptions:
    """Hands each query to one of two consumers: one for queries with options, and one for those without.

    Args:
        choice: For queries with options.
        open: For the others.
    """

    choice: Consumer
    open: Consumer

    @property
    def top_k(self) -> int:
        """Keys that the greedier of the two reads."""
        return max(self.choice.top_k, self.open.top_k)

    @property
    def finds_answers(self) -> bool:
        """Only if both do."""
        return self.choice.finds_answers and self.open.finds_answers

    @property
    def shows_first_keys(self) -> bool:
        """Only if both do."""
        return shows_first_keys(self.choice) and shows_first_keys(self.open)

    @property
    def alone(self) -> Consumer:
        """Both as they are alone."""
        return ByOptions(self.choice.alone, self.open.alone)

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of both."""
        return (*self.choice.texts, *self.open.texts)

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query."""
        outcomes: dict[str, Outcome] = {}
        for consumer, has_options in ((self.choice, True), (self.open, False)):
            own = [(q, ranking) for q, ranking in zip(queries, rankings, strict=True) if bool(q.options) is has_options]
            consumed = consumer.consume([query for query, _ in own], [ranking for _, ranking in own], scene)
            outcomes |= {query.id: outcome for (query, _), outcome in zip(own, consumed, strict=True)}
        return [outcomes[query.id] for query in queries]
