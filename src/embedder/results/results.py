"""An evaluation folder as it lies on disk: scores with their protocol, and what was retrieved and written."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from embedder.data.jsonl import JsonLines
from embedder.errors import DataError
from embedder.results.measures import averaged
from embedder.results.resampling import Values
from embedder.results.row import Row

FORMATS = (1, 2)
"""1, without a number in the file, is the form before `queries.jsonl`."""
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "task": str,
    "dataset": str,
    "retriever": str,
    "mean": dict,
    "per_query": dict,
    "protocol": dict,
}


@dataclass(frozen=True)
class Results:
    """What one evaluation found.

    Args:
        folder: Where it lies.
        protocol: Of the run: environment, checkpoint, encoder.
        rows: One for each data set and retriever.
    """

    folder: Path
    protocol: dict[str, Any]
    rows: tuple[Row, ...]

    def row(self, task: str, dataset: str, retriever: str) -> Row | None:
        """The row of a retriever on a data set."""
        wanted = (task, dataset, retriever)
        return next((row for row in self.rows if (row.task, row.dataset, row.retriever) == wanted), None)

    @property
    def datasets(self) -> list[tuple[str, str]]:
        """Task and name of each data set."""
        return list(dict.fromkeys((row.task, row.dataset) for row in self.rows))

    @property
    def retrievers(self) -> list[str]:
        """Titles of the rows."""
        return list(dict.fromkeys(row.retriever for row in self.rows))


@dataclass(frozen=True)
class Shown:
    """A key that a retriever brought."""

    id: str
    score: float
    text: str


@dataclass(frozen=True)
class Answered:
    """What one retriever brought for one query, and what the LLM made of it: a line of `queries.jsonl`.

    Args:
        task: Of the row, as the next two.
        dataset: Its name.
        retriever: Its title.
        query_id: Which query.
        query: Its text.
        answers: Gold answers.
        gold: Ids of gold keys.
        keys: The best keys, as the LLM saw them.
        output: What the LLM wrote; None where it was not asked.
        scores: Metric -> value.
        steps: What it wrote on the way, such as its own search queries.
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
    scores: dict[str, float]
    steps: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What was brought and written, without the address and the scores."""
        keys = [{"id": key.id, "text": key.text} for key in self.keys]
        return {name: getattr(self, name) for name in ("query", "answers", "gold", "output", "steps")} | {"keys": keys}


Address = tuple[str, str, str, str]
"""Task, data set, retriever and query id."""


def read_results(folder: Path | str) -> Results:
    """Read `scores.json` of an evaluation folder, format 2 or the form without a number.

    Rows without values of queries, such as means over data sets, are left out: there is nothing to test them with.

    Raises:
        DataError: There is no such file, it is damaged, or its means do not belong to its values.
    """
    path = Path(folder) / "scores.json"
    if not path.is_file():
        if path.with_name("rows.jsonl").is_file():
            message = "this evaluation is not finished; evaluate.py with hydra.run.dir=FOLDER goes on with it"
            raise DataError(folder, None, message)
        what = "the folder has no scores.json" if Path(folder).is_dir() else "no such folder"
        raise DataError(
            folder, None, f"{what}; expected a folder that evaluate.py wrote, such as outputs/evaluate/DATE"
        )
    found = _parsed(path)
    number = found.get("format", 1)
    if number not in FORMATS:
        raise DataError(path, None, f"format {number!r}; this version reads the formats {FORMATS}")
    rows, protocol = found.get("rows"), found.get("protocol")
    if not isinstance(rows, list) or not isinstance(protocol, dict) or not rows:
        raise DataError(path, None, 'expected "protocol" and a list of "rows" that is not empty')
    read = [_row(path, place, row) for place, row in enumerate(rows)]
    named = [(row.task, row.dataset, row.retriever) for row in read]
    if repeated := [name for name in named if named.count(name) > 1]:
        raise DataError(path, None, f"the row {' / '.join(repeated[0])} is there twice")
    usable = tuple(row for row in read if row.per_query)
    if not usable:
        raise DataError(path, None, "no row has values of queries (per_query): there is nothing to compare or to show")
    return Results(Path(folder), protocol, usable)


def read_answers(folder: Path | str, wanted: Collection[Address]) -> dict[Address, Answered] | None:
    """Texts of some queries from `queries.jsonl`; None where the folder has no such file, as those of format 1.

    Raises:
        DataError: A line is damaged.
    """
    if not has_answers(folder):
        return None
    wanted, found = set(wanted), {}
    for one in all_answers(folder):
        address = (one.task, one.dataset, one.retriever, one.query_id)
        if address in wanted:
            found[address] = one
    return found


def has_answers(folder: Path | str) -> bool:
    """Whether the folder says what happened query by query."""
    return (Path(folder) / "queries.jsonl").is_file()


def all_answers(folder: Path | str) -> Iterator[Answered]:
    """The lines of `queries.jsonl`, one at a time: seven question sets and eight retrievers are half a million.

    Raises:
        DataError: There is no such file, or a line is damaged.
    """
    path = Path(folder) / "queries.jsonl"
    return (_answered(path, number, line) for number, line in enumerate(JsonLines(path), start=1))


def _parsed(path: Path) -> dict[str, Any]:
    def refuse(name: str) -> float:
        raise DataError(path, None, f"{name} is no score")

    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise DataError(path, None, f"not UTF-8 text (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise DataError(path, error.lineno, f"not JSON ({error.msg}, column {error.colno}); was it cut?") from error
    except (ValueError, RecursionError) as error:
        raise DataError(path, None, f"JSON that cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise DataError(path, None, f"expected a JSON object, got {type(found).__name__}")
    return found


def _row(path: Path, place: int, row: Any) -> Row:
    name = f"rows[{place}]"
    if not isinstance(row, dict):
        raise DataError(path, None, f"{name}: expected a JSON object, got {type(row).__name__}")
    for field, kind in _FIELDS.items():
        if not isinstance(row.get(field), kind):
            expected = "text" if kind is str else "a JSON object"
            raise DataError(path, None, f"{name}.{field}: expected {expected}, got {row.get(field)!r:.60}")
    per_query = {}
    for metric, values in row["per_query"].items():
        where = f"{name}.per_query.{metric}"
        if not isinstance(values, dict) or not values:
            raise DataError(path, None, f"{where}: expected a value for each query id, got {values!r:.60}")
        for query_id, value in values.items():
            if not _is_number(value):
                raise DataError(path, None, f"{where}.{query_id}: expected a number, got {value!r:.60}")
        mean = row["mean"].get(metric)
        if isinstance(mean, bool) or not isinstance(mean, int | float):
            raise DataError(path, None, f"{name}.mean.{metric}: expected a number, got {mean!r:.60}")
        per_query[metric] = _held_against(path, where, metric, mean, values)
    parts, macro = row.get("parts", {}), row.get("macro", [])
    if not isinstance(parts, dict) or not all(isinstance(own, dict) for own in parts.values()):
        raise DataError(path, None, f"{name}.parts: expected the part of each query id by field, got {parts!r:.60}")
    if not isinstance(macro, list):
        raise DataError(path, None, f"{name}.macro: expected a list of fields, got {macro!r:.60}")
    return Row(**{field: row[field] for field in _FIELDS} | {"per_query": per_query, "parts": parts, "macro": macro})


def _held_against(path: Path, where: str, metric: str, mean: float, values: Values) -> dict[str, float]:
    """The values, in nats for an exponential metric, once their mean is the one that the file states."""
    found = averaged(metric, values, mean)
    if found is None:
        message = f"{where}: expected values whose mean is {mean:g}, as the row says; their mean is "
        raise DataError(path, None, f"{message}{fmean(values.values()):g}: was the file edited?")
    return found


def _answered(path: Path, number: int, line: Mapping[str, Any]) -> Answered:
    address = {name: line.get(name) for name in ("task", "dataset", "retriever", "query_id")}
    if not all(isinstance(part, str) for part in address.values()):
        raise DataError(path, number, 'expected "task", "dataset", "retriever" and "query_id", all text')
    keys, output, scores = line.get("keys", []), line.get("output"), line.get("scores", {})
    answers, gold = line.get("answers", []), line.get("gold", [])
    if not isinstance(line.get("query"), str):
        raise DataError(path, number, f'"query": expected text, got {line.get("query")!r:.60}')
    steps = line.get("steps", [])
    for name, texts in (("answers", answers), ("gold", gold), ("steps", steps)):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(path, number, f'"{name}": expected a list of texts, got {texts!r:.60}')
    if not isinstance(keys, list) or not all(
        isinstance(key, dict)
        and isinstance(key.get("id"), str)
        and isinstance(key.get("text", ""), str)
        and _is_number(key.get("score"))
        for key in keys
    ):
        raise DataError(path, number, f'"keys": expected objects with "id", "score" and "text", got {keys!r:.60}')
    if output is not None and not isinstance(output, str):
        raise DataError(path, number, f'"output": expected text or null, got {output!r:.60}')
    if not isinstance(scores, dict) or not all(_is_number(value) for value in scores.values()):
        raise DataError(path, number, f'"scores": expected a number for each metric, got {scores!r:.60}')
    shown = tuple(Shown(key["id"], key["score"], key.get("text", "")) for key in keys)
    return Answered(
        **{name: str(part) for name, part in address.items()},
        query=line["query"],
        answers=tuple(answers),
        gold=tuple(gold),
        keys=shown,
        output=output,
        scores=scores,
        steps=tuple(steps),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
