"""The types that all rooms share: what is stored, what is trained on, and the protocols of models and indexes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Side = Literal["query", "key"]
"""Which side of a comparison a text is on; an encoder may have a model for each."""
Keep = Literal["start", "end"]
"""Which part of a text stays where it is too long."""


@dataclass(frozen=True, slots=True)
class Key:
    """Anything retrievable: a passage, an earlier turn, a few-shot example, a tool description."""

    id: str
    text: str
    location: str = ""
    """Where the text is found, such as `guide.pdf#page=4`; empty if its corpus does not say."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query with what is known about it: desired outputs for the LLM, and the ids of its gold keys."""

    id: str
    text: str
    answers: tuple[str, ...] = ()
    positives: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """What there is to choose from, the answer among it; empty for open questions."""
    among: tuple[str, str] | None = None
    """First and last key of the part of the corpus that the query may be compared with; None for all of it."""
    exclude: tuple[str, ...] = ()
    """Ids of keys that it is never compared with, such as the example that it was made from."""
    groups: tuple[tuple[str, str], ...] = ()
    """What sorts it for means of parts of a data set: pairs such as `("type", "bridge")`."""

    def group(self, field: str) -> str:
        """Its value of a field that sorts queries; empty if it has none."""
        return dict(self.groups).get(field, "")


@dataclass(frozen=True, slots=True)
class Eligible:
    """The keys of a corpus that a query may be compared with, by position: a range without some positions."""

    start: int
    stop: int
    """The position after the last one."""
    without: frozenset[int] = frozenset()
    """Positions inside the range that are not eligible."""

    def __len__(self) -> int:
        return self.stop - self.start - len(self.without)

    def __contains__(self, position: int) -> bool:
        return self.start <= position < self.stop and position not in self.without


@dataclass(frozen=True, slots=True)
class Candidate:
    """A key proposed for a query, and who proposed it."""

    key: Key
    source: str
    """Who proposed it: `gold`, `bm25`, `dense`, `random`."""
    rank: int | None = None
    """Rank from 1 in the ranking of the source, or of BM25 for gold keys; None if it is not in one."""
    score: float | None = None
    """Score in that ranking, on its scale."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored training row: a query, its labelled keys and, where an LLM judged them, their rewards."""

    id: str
    query: str
    positives: tuple[Key, ...]
    negatives: tuple[Key, ...]
    rewards: tuple[float, ...] | None = None
    """One reward for each of positives + negatives, in this order; larger is better."""
    answers: tuple[str, ...] = ()
    known_positives: tuple[int, ...] = ()
    """`text_hash` of all texts that are labelled for the query, here or on another line: never its negatives."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How an encoder reads texts: `instruction + text`, in tokens cut to a length."""

    side: Side
    """On which side of a comparison the texts are."""
    instruction: str = ""
    max_length: int | None = None
    """Tokens, instruction and special tokens included; None for what the encoder reads."""
    keep: Keep = "start"
    """Which part of a longer text is read: its `start`, or its `end`, as of a dialogue that ends in the question."""


@dataclass(frozen=True, slots=True)
class TaskSides:
    """How the two sides of a task are encoded; lengths in tokens, instruction and special tokens included."""

    query_instruction: str = ""
    key_instruction: str = ""
    query_max_length: int | None = None
    """None for what the encoder reads."""
    key_max_length: int | None = None
    query_keep: Keep = "start"

    @property
    def query(self) -> Reading:
        """How queries are read."""
        return Reading("query", self.query_instruction, self.query_max_length, self.query_keep)

    @property
    def key(self) -> Reading:
        """How keys are read."""
        return Reading("key", self.key_instruction, self.key_max_length)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The keys that a retriever returned for one query, best first."""

    key_ids: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OutputScore:
    """Log-likelihood of one output given its prompt, as the store keeps it."""

    sum_logprob: float
    """Natural logarithm, summed over the tokens of the output."""
    n_tokens: int

    @property
    def mean_logprob(self) -> float:
        """Log-likelihood per token."""
        return self.sum_logprob / self.n_tokens


@runtime_checkable
class LanguageModel(Protocol):
    """An LLM that scores and writes outputs.

    A prompt is complete text: nothing is added but the token that some models expect in front of every text.
    """

    @property
    def fingerprint(self) -> str:
        """Identifies weights and tokenizer; part of every address in the store."""

    @property
    def tokens_run(self) -> int:
        """Tokens of prompts and outputs that were scored or written so far, for showing how fast it goes."""

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether the LLM can read each prompt with so many tokens after it; true if its limit is not known."""

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihood of each of `outputs[i]` after `prompts[i]`, in the same order.

        Raises:
            ValueError: A prompt or an output has no tokens, or the numbers of prompts and lists of outputs differ.
            EmbedderError: The LLM cannot score.
        """

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """The greedy continuation of each prompt up to an end token or behind the first of the `stop` texts, stripped.

        That a stop text which is not white space is kept tells a finished text from one that ran out of tokens.

        Raises:
            ConfigError: `max_new_tokens` is not above 0.
            ValueError: A stop text is empty, or there is none, or a prompt has no tokens.
            EmbedderError: The LLM cannot write.
        """

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """The line that `generate` writes behind each prompt, and the scores of `outputs[i]`, as `score` gives them.

        An LLM that can reads each prompt once for both.
        """

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled continuations of each prompt, cut at a line break; one seed a prompt, whatever the batch.

        Raises:
            ConfigError: The temperature, `n` or `max_new_tokens` is not above 0.
            ValueError: There is not one seed for each prompt, or a prompt has no tokens.
            EmbedderError: The LLM cannot write.
        """


@runtime_checkable
class Encoder(Protocol):
    """Maps texts to unit vectors."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors of the texts, [n, D], float32, in their order."""


class Keys(Protocol):
    """Keys by position, as in a corpus or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> Key: ...


@runtime_checkable
class CorpusEncoder(Encoder, Protocol):
    """An encoder that knows where the vectors of corpora lie, so that none is encoded twice."""

    def vectors(self, keys: Keys, reading: Reading, *, progress: bool = False) -> "Vectors":
        """The vectors of a corpus, those that are missing encoded now."""


@runtime_checkable
class Vectors(Protocol):
    """The vectors of a corpus by position, in memory or on disk."""

    @property
    def dimension(self) -> int:
        """Length of a vector, D."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the vectors depend on, as JSON can hold it: encoder, instruction, length, ...; empty where not known."""

    @property
    def beside(self) -> Path | None:
        """How the names of files begin that belong to these vectors, such as their index; None where none are kept."""
        ...

    def __len__(self) -> int: ...

    def rows(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, float32 [n, D]."""

    def at(self, positions: IntArray) -> FloatArray:
        """The vectors at some positions, in their order, float32 [n, D]."""


@runtime_checkable
class VectorIndex(Protocol):
    """Finds the vectors with the largest inner product."""

    @property
    def was_found(self) -> bool:
        """Whether an earlier run had built it, once `begin` was called."""

    def begin(self, vectors: Vectors, *, progress: bool = False) -> int:
        """Get ready for the vectors that will be added: train on a sample of them, or find those that are there.

        Args:
            vectors: Of the corpus.
            progress: Show a bar.

        Returns:
            The position of the first one that is to be added; their number if the index reads them where they are.
        """

    def add(self, vectors: FloatArray) -> None:
        """Append vectors, [n, D]; their positions count on from those already there."""

    def finish(self) -> None:
        """Get ready for searching, after all vectors have been added."""

    def search(self, queries: FloatArray, top_k: int) -> tuple[FloatArray, IntArray]:
        """Scores and positions, best first, both [Q, K] for a K of 1 or more; position -1 where fewer than K exist."""

    def vectors(self, start: int, stop: int) -> FloatArray:
        """The vectors at the positions from `start` to before `stop`, as the index keeps them, [n, D]."""


@runtime_checkable
class SearchesRuns(Protocol):
    """An index that can look at some of its positions alone."""

    def search_run(self, queries: FloatArray, top_k: int, start: int, stop: int) -> tuple[FloatArray, IntArray]:
        """As `VectorIndex.search`, among the positions from `start` to before `stop`."""


class KeyStore(Keys, Protocol):
    """Random access to the keys of a corpus without holding them in memory."""

    def position(self, key_id: str) -> int:
        """Position of a key in the corpus; raises KeyError for an unknown id."""

    def span(self, first_id: str, last_id: str) -> tuple[int, int]:
        """Positions of the keys from one to another, the second one included: the first, and that after the last."""

    def texts(self) -> Iterable[str]:
        """All texts in order, streamed."""
