"""One line for each query of a row, with its text, the retrieved keys and the answer, for people to read."""

from collections.abc import Iterator, Mapping, Sequence

from embedder.consumers.consumer import Outcome
from embedder.data.prompts import first_words
from embedder.results.answers import Answered, Shown
from embedder.results.row import Row
from embedder.types import KeyStore, Query, Ranking

_KEYS = 3  # shown where no LLM was
_WORDS = 80


def query_lines(
    row: Row,
    queries: Sequence[Query],
    rankings: Sequence[Ranking],
    outcomes: Mapping[str, Outcome],
    corpus: KeyStore,
) -> Iterator[Answered]:
    """The lines of a row.

    Args:
        row: Its scores.
        queries: All of the data set.
        rankings: One for each.
        outcomes: What the LLM made of some of them, by query id.
        corpus: Where the keys are.
    """
    for query, ranking in zip(queries, rankings, strict=True):
        outcome = outcomes.get(query.id)
        shown = ranking if outcome is None else outcome.keys
        n = _KEYS if outcome is None else len(shown.key_ids)
        found = (corpus[corpus.position(key_id)] for key_id in shown.key_ids[:n])
        keys = [
            Shown(key.id, score, _cut(key.text), key.location)
            for key, score in zip(found, shown.scores[:n], strict=True)
        ]
        yield Answered(
            task=row.task,
            dataset=row.dataset,
            retriever=row.retriever,
            query_id=query.id,
            query=_cut(query.text),
            answers=tuple(map(_cut, query.answers)),
            gold=tuple(query.positives),
            keys=tuple(keys),
            output=None if outcome is None else outcome.output,
            steps=() if outcome is None else outcome.steps,
            scores={metric: values[query.id] for metric, values in row.per_query.items() if query.id in values},
        )


def _cut(text: str) -> str:
    """The first words of a text on one line."""
    cut = first_words(text, _WORDS)
    return cut if cut == first_words(text, len(text) + 1) else f"{cut} ..."
