"""An evaluation folder as values: the rows of `scores.json`, and the lines of `queries.jsonl` one by one."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from embedder.errors import DataError
from embedder.evaluation.table import Row
from embedder.report.measures import PERPLEXITY

_FORMATS = (1, 2)


@dataclass(frozen=True)
class ShownKey:
    """A key that a retriever returned, as `queries.jsonl` keeps it."""

    id: str
    score: float
    text: str


@dataclass(frozen=True)
class Answered:
    """One query as one retriever and the LLM dealt with it: a line of `queries.jsonl`."""

    task: str
    dataset: str
    retriever: str
    query_id: str
    query: str
    answers: tuple[str, ...]
    gold: tuple[str, ...]
    """Ids of the gold keys."""
    keys: tuple[ShownKey, ...]
    """Best first."""
    output: str | None
    """What the LLM wrote; None where it was not asked."""
    scores: dict[str, float]
    """Metric -> value."""


@dataclass(frozen=True)
class Evaluation:
    """What `scores.json` holds; of perplexity the nats a token of each query, of which the mean is the exponential."""

    protocol: dict[str, Any]
    rows: tuple[Row, ...]


def read_scores(folder: Path) -> Evaluation:
    """The rows of an evaluation.

    Args:
        folder: Holds `scores.json`, as `evaluate.py` writes it.

    Raises:
        DataError: The file is missing, of another format, empty, or says two things about one retriever.
    """
    path = folder / "scores.json"
    if not path.is_file():
        raise DataError(path, None, "no such file; expected a folder that evaluate.py wrote")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise DataError(path, None, f"not JSON ({error})") from error
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list) or not found["rows"]:
        raise DataError(path, None, "expected an object with `protocol` and a list `rows` that is not empty")
    if found.get("format", 1) not in _FORMATS:
        raise DataError(path, None, f"expected `format` among {list(_FORMATS)}, got {found['format']!r}")
    rows = tuple(_row(path, number, row) for number, row in enumerate(found["rows"]))
    names = [(row.task, row.dataset, row.retriever) for row in rows]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(path, None, f"two rows for {' / '.join(twice[0])}")
    protocol = found.get("protocol")
    return Evaluation(protocol if isinstance(protocol, dict) else {}, rows)


def has_answers(folder: Path) -> bool:
    """Whether the folder says what happened query by query."""
    return (folder / "queries.jsonl").is_file()


def read_answers(folder: Path) -> Iterator[Answered]:
    """The lines of `queries.jsonl`, one at a time: seven question sets and eight retrievers are half a million.

    Raises:
        DataError: A line is not what it should be.
    """
    path = folder / "queries.jsonl"
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _answered(json.loads(line))
            except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
                raise DataError(path, number, f"not JSON ({error})") from error
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise DataError(path, number, f"not a scored query ({type(error).__name__}: {error})") from error


def _row(path: Path, number: int, row: Any) -> Row:
    where = f"rows[{number}]"
    try:
        task, dataset, retriever = (_text(row[name]) for name in ("task", "dataset", "retriever"))
        where = f"rows[{number}] ({task}/{dataset}, {retriever})"
        mean = {_text(metric): float(value) for metric, value in row["mean"].items()}
        per_query = {
            _text(metric): {_text(query): float(value) for query, value in values.items()}
            for metric, values in row["per_query"].items()
        }
        protocol = dict(row["protocol"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(path, None, f"{where}: not a row of scores ({type(error).__name__}: {error})") from error
    for metric, values in per_query.items():
        if not all(math.isfinite(value) for value in values.values()):
            raise DataError(path, None, f"{where}: {metric} holds a value that is not a finite number")
        if metric == PERPLEXITY and values:
            per_query[metric] = _nats(path, where, mean.get(metric), values)
    return Row(task, dataset, retriever, mean, per_query, protocol)


def _nats(path: Path, where: str, mean: float | None, values: dict[str, float]) -> dict[str, float]:
    """Surprise of each query, whose exponential is perplexity; a file has it, or the perplexity of each query."""
    if mean is not None and mean > 0:
        if math.isclose(math.log(mean), fmean(values.values()), abs_tol=1e-6):
            return values
        if min(values.values()) > 0:
            nats = {query: math.log(value) for query, value in values.items()}
            if math.isclose(math.log(mean), fmean(nats.values()), abs_tol=1e-6):
                return nats
    raise DataError(path, None, f"{where}: {PERPLEXITY} {mean} is not the exponential of a mean over its queries")


def _answered(line: Any) -> Answered:
    names = ("task", "dataset", "retriever", "query_id", "query")
    task, dataset, retriever, query_id, query = (_text(line[name]) for name in names)
    return Answered(
        task,
        dataset,
        retriever,
        query_id,
        query,
        answers=tuple(_text(answer) for answer in line["answers"]),
        gold=tuple(_text(key) for key in line["gold"]),
        keys=tuple(ShownKey(_text(key["id"]), float(key["score"]), _text(key["text"])) for key in line["keys"]),
        output=None if line["output"] is None else _text(line["output"]),
        scores={_text(metric): float(value) for metric, value in line["scores"].items()},
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r:.60}")
    return value
