"""`queries.jsonl` of an evaluation folder: what was retrieved for each query, and what the LLM answered."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.jsonl import JsonLines, json_line
from embedder.errors import DataError
from embedder.results.scores_file import is_number

ANSWERS = "queries.jsonl"
Address = tuple[str, str, str, str]
"""Task, data set, retriever and query id."""


@dataclass(frozen=True)
class Shown:
    """A key that a retriever found."""

    id: str
    score: float
    text: str


@dataclass(frozen=True)
class Answered:
    """What one retriever found for one query, and what the LLM answered: a line of the file.

    Args:
        task: Of the row, as the next two.
        dataset: Its name.
        retriever: Its title.
        query_id: Which query.
        query: Its text.
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
        return json_line(vars(self) | {"keys": [vars(key) for key in self.keys]})

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
    path = Path(folder) / ANSWERS
    return (_answered(path, number, line) for number, line in enumerate(JsonLines(path), start=1))


def _answered(path: Path, number: int, line: Mapping[str, Any]) -> Answered:
    def check(fits: bool, message: str) -> None:
        if not fits:
            raise DataError(path, number, message)

    named = all(isinstance(line.get(name), str) for name in ("task", "dataset", "retriever", "query_id"))
    check(named, 'expected "task", "dataset", "retriever" and "query_id", all text')
    check(isinstance(line.get("query"), str), f'"query": expected text, got {line.get("query")!r:.60}')
    lists = {name: line.get(name, []) for name in ("answers", "gold", "steps")}
    for name, texts in lists.items():
        fits = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        check(fits, f'"{name}": expected a list of texts, got {texts!r:.60}')
    keys, output, scores = line.get("keys", []), line.get("output"), line.get("scores", {})
    fits = isinstance(keys, list) and all(map(_is_key, keys))
    check(fits, f'"keys": expected objects with "id", "score" and "text", got {keys!r:.60}')
    check(output is None or isinstance(output, str), f'"output": expected text or null, got {output!r:.60}')
    fits = isinstance(scores, dict) and all(map(is_number, scores.values()))
    check(fits, f'"scores": expected a number for each metric, got {scores!r:.60}')
    return Answered(
        task=line["task"],
        dataset=line["dataset"],
        retriever=line["retriever"],
        query_id=line["query_id"],
        query=line["query"],
        answers=tuple(lists["answers"]),
        gold=tuple(lists["gold"]),
        keys=tuple(Shown(key["id"], key["score"], key.get("text", "")) for key in keys),
        output=output,
        steps=tuple(lists["steps"]),
        scores=scores,
    )


def _is_key(key: Any) -> bool:
    return (
        isinstance(key, dict)
        and isinstance(key.get("id"), str)
        and isinstance(key.get("text", ""), str)
        and is_number(key.get("score"))
    )
