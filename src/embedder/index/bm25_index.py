"""Find the texts that share rare words with a query (BM25): the baseline, and the first source of hard negatives."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from embedder.index.bm25_settings import BM25Settings
from embedder.index.bm25_words import bm25_words, has_pairs
from embedder.shown import quantity
from embedder.types import Eligible, FloatArray, IntArray

logger = logging.getLogger(__name__)

_CHUNK = 1000  # queries tokenised together


class BM25Index:
    """BM25 in Lucene's variant, by default over stemmed words of two letters or more without stop words.

        score(q, d) = sum_{t in q} idf(t) tf(t, d) / (tf(t, d) + k1 (1 - b + b |d| / mean |d|))
        idf(t) = log(1 + (n - n_t + 0.5) / (n_t + 0.5))

    with n texts, n_t of which hold the term t. A term that stands twice in the query counts twice.

    Source: Kamphuis et al., ECIR 2020 ("Lucene (accurate)"), by way of bm25s; for pairs of letters, Lucene's
    analyzer of Chinese, Japanese and Korean.

    >>> index = BM25Index()
    >>> index.build(["A lighthouse on the coast.", "Oru designs lighthouses.", "A recipe."])
    >>> scores, positions = index.search(["who designed the lighthouse?"], top_k=3)
    >>> positions.tolist()  # words are stemmed; the third text shares none
    [[1, 0, -1]]

    Args:
        settings: Constants, and what a word is.
    """

    def __init__(self, settings: BM25Settings = BM25Settings()) -> None:  # noqa: B008  # it is frozen
        import bm25s
        import Stemmer

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # the library asks for debug messages when it is imported
        self._settings = settings
        self._stemmer = None if settings.stemmer is None else Stemmer.Stemmer(settings.stemmer)
        self._bm25: Any = bm25s.BM25(k1=settings.k1, b=settings.b, method="lucene", backend="numpy")
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def build(self, texts: Iterable[str]) -> None:
        """Index the texts, at least one, in place of what was there; they are streamed, their words held in memory."""
        tokens, n_in_pairs = self._settings.tokens, 0

        def cut() -> Iterator[list[str]]:
            nonlocal n_in_pairs
            for text in texts:
                n_in_pairs += tokens == "auto" and has_pairs(text)
                yield bm25_words(text, tokens, is_query=False)

        corpus = self._terms(cut(), return_ids=True)
        with np.errstate(invalid="ignore"):  # bm25s divides by the mean length, which is 0 when no text has a word
            self._bm25.index(corpus, create_empty_token=False, show_progress=False)
        self._size = len(corpus.ids)
        logger.info("BM25 over %s: %s", quantity(self._size, "text"), self._settings.described(n_in_pairs))

    def search(
        self, queries: Sequence[str], top_k: int, eligible: Sequence[Eligible] | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Scores and positions, best first, both [Q, K]; equal scores come in the order of the texts.

        Only texts that share a word with the query are hits; -inf and -1 stand where there are fewer than K of them.

        Args:
            queries: Their texts.
            top_k: K, 1 or more.
            eligible: For each query, the texts that count for it; None for all. What a word weighs and how long a text
                is on average is computed over the whole corpus nevertheless.
        """
        scores = np.full((len(queries), top_k), -np.inf, np.float32)
        positions = np.full((len(queries), top_k), -1, np.int64)
        for start in range(0, len(queries), _CHUNK):
            for row, words in enumerate(self._tokenise(queries[start : start + _CHUNK]), start):
                hit_scores, hits = self._search(words, top_k, None if eligible is None else eligible[row])
                scores[row, : len(hits)] = hit_scores
                positions[row, : len(hits)] = hits
        return scores, positions

    def scores(self, query: str, positions: Sequence[int]) -> FloatArray:
        """Scores of some texts, [n]; 0 for those that share no word with the query."""
        (words,) = self._tokenise([query])
        scores: FloatArray = self._scores(words)[list(positions)]
        return scores

    def _search(self, words: list[str], top_k: int, eligible: Eligible | None) -> tuple[FloatArray, IntArray]:
        scores = self._scores(words)
        if eligible is not None:
            scores[: eligible.start] = scores[eligible.stop :] = 0
            scores[list(eligible.without)] = 0
        hits = np.flatnonzero(scores)  # no term has a negative weight, so all of these are above 0
        if len(hits) > top_k:
            # bm25s's own selection picks among equal scores at random: keep all that tie for the last rank instead.
            hits = hits[scores[hits] >= np.partition(scores[hits], -top_k)[-top_k]]
        hits = hits[np.argsort(-scores[hits], kind="stable")][:top_k]
        return scores[hits], hits

    def _scores(self, words: list[str]) -> FloatArray:
        """Of all texts."""
        known = self._bm25.get_tokens_ids(words)
        scores: FloatArray = self._bm25.get_scores_from_ids(known) if known else np.zeros(self._size, np.float32)
        return scores

    def _tokenise(self, queries: Iterable[str]) -> Any:
        return self._terms(bm25_words(query, self._settings.tokens, is_query=True) for query in queries)

    def _terms(self, cut: Iterable[list[str]], *, return_ids: bool = False) -> Any:
        """Stems of the words that are no stop words."""
        import bm25s

        return bm25s.tokenize(
            map(" ".join, cut),
            lower=False,
            token_pattern=r"\S+",  # noqa: S106  # no password
            stopwords=self._settings.stopwords,
            stemmer=self._stemmer,
            return_ids=return_ids,
            show_progress=False,
        )
