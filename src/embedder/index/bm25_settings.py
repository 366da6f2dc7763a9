"""The constants of BM25, and what a word is to it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from embedder.bounds import Bound
from embedder.checks import checked
from embedder.errors import ConfigError


@checked("bm25")
@dataclass(frozen=True)
class BM25Settings:
    """The formula's constants, and what a word is.

    Args:
        k1: How far repetition of a term counts, at least 0.
        b: How far long texts are held back, 0 to 1.
        tokens: `auto` takes words of two letters or more, and pairs of letters of scripts that have no spaces between
            words (Chinese, Japanese, Thai, ...) and of Korean, whose words end in particles; `words` leaves runs of
            these whole, as for texts that were cut into words beforehand; `pairs` takes pairs of letters everywhere.
        stemmer: A Snowball algorithm, or None to compare whole words.
        stopwords: A language of bm25s's lists of words to leave out, or None to keep all.

    Raises:
        ConfigError: A constant is out of range, or the stemmer or the list of stop words is unknown.
    """

    k1: Annotated[float, Bound("a number of at least 0", at_least=0)] = 1.5
    b: Annotated[float, Bound("a number from 0 to 1", at_least=0, at_most=1)] = 0.75
    tokens: Literal["words", "auto", "pairs"] = "auto"
    stemmer: str | None = "english"
    stopwords: str | None = "en"

    def __post_init__(self) -> None:
        if self.stemmer is not None:
            import Stemmer

            if self.stemmer not in Stemmer.algorithms():
                raise ConfigError("bm25.stemmer", f"null or one of {', '.join(Stemmer.algorithms())}", self.stemmer)
        if self.stopwords not in (None, "en"):
            from bm25s.tokenization import _infer_stopwords

            try:
                _infer_stopwords(self.stopwords)
            except ValueError as error:
                expected = "null or a language that bm25s knows, such as en"
                raise ConfigError("bm25.stopwords", expected, self.stopwords) from error

    def described(self, n_in_pairs: int) -> str:
        """What a word is, for the log.

        Args:
            n_in_pairs: Texts that hold words which are found by pairs of letters.
        """
        kind = "pairs of letters" if self.tokens == "pairs" else "words"
        stems = "not stemmed" if self.stemmer is None else f"stemmed ({self.stemmer})"
        left_out = "with all stop words" if self.stopwords is None else f"without stop words ({self.stopwords})"
        pairs = f"; pairs of letters in {n_in_pairs} texts with Korean or scripts without spaces" if n_in_pairs else ""
        return f"{kind}, {stems}, {left_out}{pairs}"
