"""Find the texts that share rare words with a query (BM25): the baseline, and the first source of hard negatives."""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from embedder.errors import ConfigError
from embedder.types import Eligible, FloatArray, IntArray

_CHUNK = 1000  # queries tokenised together


class BM25Index:
    """BM25 as Lucene has it, over stemmed words of two letters or more without stop words.

        score(q, d) = sum_{t in q} idf(t) tf(t, d) / (tf(t, d) + k1 (1 - b + b |d| / mean |d|))
        idf(t) = log(1 + (n - n_t + 0.5) / (n_t + 0.5))

    with n texts, n_t of which hold the term t. A term that stands twice in the query counts twice.

    Source: Kamphuis et al., ECIR 2020 ("Lucene (accurate)"), by way of bm25s.
    """

    def __init__(
        self, k1: float = 1.5, b: float = 0.75, stemmer: str | None = "english", stopwords: str | None = "en"
    ) -> None:
        """Choose the formula's constants and what a word is.

        Args:
            k1: How far repetition of a term counts, at least 0.
            b: How far long texts are held back, 0 to 1.
            stemmer: A Snowball algorithm, or None to compare whole words.
            stopwords: A language of bm25s's lists of words to leave out, or None to keep all.

        Raises:
            ConfigError: A constant is out of range, or the stemmer or the list of stop words is unknown.
        """
        import bm25s
        import Stemmer

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # the library asks for debug messages when it is imported

        if k1 < 0:
            raise ConfigError("bm25.k1", "a number of at least 0", k1)
        if not 0 <= b <= 1:
            raise ConfigError("bm25.b", "a number from 0 to 1", b)
        if stemmer is not None and stemmer not in Stemmer.algorithms():
            raise ConfigError("bm25.stemmer", f"null or one of {', '.join(Stemmer.algorithms())}", stemmer)
        self._stemmer = None if stemmer is None else Stemmer.Stemmer(stemmer)
        self._stopwords = stopwords
        try:
            self._tokenise([""])
        except ValueError as error:
            raise ConfigError("bm25.stopwords", "null or a language that bm25s knows, such as en", stopwords) from error
        self._bm25: Any = bm25s.BM25(k1=k1, b=b, method="lucene", backend="numpy")
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def build(self, texts: Iterable[str], *, progress: bool = False) -> None:
        """Index the texts, in place of what was there; they are streamed, their words are held in memory.

        Raises:
            ValueError: There are no texts.
        """
        corpus = self._tokenise(texts, return_ids=True, show_progress=progress)
        if not corpus.ids:
            raise ValueError("texts: there is nothing to index")
        with np.errstate(invalid="ignore"):  # bm25s divides by the mean length, which is 0 when no text has a word
            self._bm25.index(corpus, create_empty_token=False, show_progress=progress)
        self._size = len(corpus.ids)

    def search(
        self,
        queries: Sequence[str],
        top_k: int,
        eligible: Sequence[Eligible] | None = None,
        *,
        progress: bool = False,
    ) -> tuple[FloatArray, IntArray]:
        """Scores and positions, best first, both [Q, K]; equal scores come in the order of the texts.

        Only texts that share a word with the query are hits; -inf and -1 stand where there are fewer than K of them.

        Args:
            queries: Their texts.
            top_k: K.
            eligible: For each query, the texts that count for it; None for all. What a word weighs and how long a text
                is on average goes by the whole corpus all the same.
            progress: Show a bar.

        Raises:
            ValueError: `top_k` is below 1, or nothing has been indexed.
        """
        from rich.progress import track

        if top_k < 1:
            raise ValueError(f"top_k: expected at least 1, got {top_k}")
        if not self._size:
            raise ValueError("index: search before build")
        scores = np.full((len(queries), top_k), -np.inf, np.float32)
        positions = np.full((len(queries), top_k), -1, np.int64)
        starts = range(0, len(queries), _CHUNK)
        for start in track(starts, description="Searching with BM25", disable=not progress):
            for row, words in enumerate(self._tokenise(queries[start : start + _CHUNK]), start):
                found_scores, found = self._search(words, top_k, None if eligible is None else eligible[row])
                scores[row, : len(found)] = found_scores
                positions[row, : len(found)] = found
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
            # bm25s's own selection picks among equal scores at random: keep all that tie for the last place instead.
            hits = hits[scores[hits] >= np.partition(scores[hits], -top_k)[-top_k]]
        hits = hits[np.argsort(-scores[hits], kind="stable")][:top_k]
        return scores[hits], hits

    def _scores(self, words: list[str]) -> FloatArray:
        """Of all texts."""
        known = self._bm25.get_tokens_ids(words)
        scores: FloatArray = self._bm25.get_scores_from_ids(known) if known else np.zeros(self._size, np.float32)
        return scores

    def _tokenise(self, texts: Iterable[str], *, return_ids: bool = False, show_progress: bool = False) -> Any:
        import bm25s

        return bm25s.tokenize(
            texts,
            stopwords=self._stopwords,
            stemmer=self._stemmer,
            return_ids=return_ids,
            show_progress=show_progress,
        )
