"""`queries.jsonl` of an evaluation folder: what was retrieved for each query, and what the LLM answered."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.fields import Row
from embedder.data.jsonl import JsonLines
from embedder.results.sealed_json import DAMAGED, sealed, unsealed

ANSWERS = "queries.jsonl"
Address = tuple[str, str, str, str]
"""Task, data set, retriever and query id."""


@dataclass(frozen=True)
class Shown:
    """A key that a retriever found."""

    id: str
    score: float
    text: str
    location: str = ""

    def as_json(self) -> dict[str, Any]:
        """As in a line of the file: what is not known is left out."""
        return {name: value for name, value in vars(self).items() if value or name != "location"}


@dataclass(frozen=True)
class Answered:
    """What one retriever, by its title, found for one query, and what the LLM answered: a line of the file.

    Args:
        answers: Gold answers.
        gold: Ids of gold keys.
        keys: The best keys, as the LLM saw them.
        output: What the LLM wrote; None if it did not answer.
        steps: What it wrote on the way, such as its own search queries.
        scores: Metric -> value.
    """

    task: str
    dataset: str
    retriever: str
    query_id: str
    query: str
    answers: tuple[str, ...]
    gold: tuple[str, ...]
    keys: tuple[Shown, ...]
    output: str | None
    steps: tuple[str, ...]
    scores: dict[str, float]

    @property
    def address(self) -> Address:
        """Which line it is."""
        return self.task, self.dataset, self.retriever, self.query_id

    def line(self) -> str:
        """The line."""
        return sealed(vars(self) | {"keys": [key.as_json() for key in self.keys]}, ensure_ascii=False) + "\n"

    def as_json(self) -> dict[str, Any]:
        """What was retrieved and written, without the address and the scores."""
        keys = [{"id": key.id, "text": key.text} for key in self.keys]
        return {name: getattr(self, name) for name in ("query", "answers", "gold", "output", "steps")} | {"keys": keys}


def read_answers(folder: Path | str, wanted: Collection[Address]) -> dict[Address, Answered] | None:
    """The lines of some queries; None where the folder has no such file.

    Raises:
        DataError: A line is damaged.
    """
    if not has_answers(folder):
        return None
    wanted = set(wanted)
    return {answered.address: answered for answered in all_answers(folder) if answered.address in wanted}


def has_answers(folder: Path | str) -> bool:
    """Whether the folder says what happened query by query."""
    return (Path(folder) / ANSWERS).is_file()


def all_answers(folder: Path | str) -> Iterator[Answered]:
    """All lines, one at a time: seven question sets and eight retrievers are half a million.

    Raises:
        DataError: There is no such file, or a line is damaged.
    """
    return map(_answered, JsonLines(Path(folder) / ANSWERS).rows())


def _answered(line: Row) -> Answered:
    found = unsealed(line.values)
    if found is None:
        raise line.error(DAMAGED)
    texts = {name: tuple(found[name]) for name in ("answers", "gold", "steps")}
    return Answered(**found | texts | {"keys": tuple(Shown(**key) for key in found["keys"])})
