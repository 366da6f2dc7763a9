"""The queries on which one retriever is better than another, with the texts that show why."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedder.results.answers import Address, Answered, read_answers
from embedder.results.measures import averaged, improvement
from embedder.results.resampling import TOLERANCE
from embedder.results.row import Row

Texts = tuple[Mapping[Address, Answered], Mapping[Address, Answered]]
"""What A and what B brought, by row and query."""


@dataclass(frozen=True)
class ChangedQuery:
    """A query on which A and B differ, and its value in both."""

    query_id: str
    a: float
    b: float


@dataclass(frozen=True)
class ChangedQueries:
    """The queries of one data set that differ by one metric; the largest changes first."""

    task: str
    dataset: str
    metric: str
    better: tuple[ChangedQuery, ...]
    worse: tuple[ChangedQuery, ...]
    tied: int

    def address(self, title: str, change: ChangedQuery) -> Address:
        """Where the texts of a change are, for the row with this title."""
        return self.task, self.dataset, title, change.query_id

    def addresses(self, title: str, most: int) -> list[Address]:
        """Those of the largest changes in each direction."""
        return [self.address(title, change) for change in (*self.better[:most], *self.worse[:most])]

    def as_json(self, title_a: str, title_b: str, texts: Texts) -> dict[str, Any]:
        """All of it, with the texts that were read."""

        def plain(change: ChangedQuery) -> dict[str, Any]:
            found = {"in_a": texts[0].get(self.address(title_a, change))}
            found |= {"in_b": texts[1].get(self.address(title_b, change))}
            return asdict(change) | {side: text.as_json() for side, text in found.items() if text is not None}

        return {
            "scope": f"{self.task}/{self.dataset}",
            "metric": self.metric,
            "tied": self.tied,
            "better": [plain(change) for change in self.better],
            "worse": [plain(change) for change in self.worse],
        }


def changed_queries(a: Row, b: Row, metric: str) -> ChangedQueries:
    """Queries on which B is better and worse than A; the values of perplexity are nats a token."""
    in_a, in_b = a.per_query[metric], b.per_query[metric]
    gains = [
        (
            improvement(metric, in_a[query], in_b[query]),
            ChangedQuery(query, averaged(metric, in_a[query]), averaged(metric, in_b[query])),
        )
        for query in sorted(in_a)
    ]
    ordered = sorted(gains, key=lambda gain: -abs(gain[0]))  # stable: equal changes by id
    better = tuple(change for gain, change in ordered if gain > TOLERANCE)
    worse = tuple(change for gain, change in ordered if gain < -TOLERANCE)
    return ChangedQueries(a.task, a.dataset, metric, better, worse, len(gains) - len(better) - len(worse))


def read_texts(
    folders: tuple[Path, Path], wanted: tuple[Collection[Address], Collection[Address]]
) -> tuple[Texts, list[str]]:
    """The texts of some queries in A and in B, and what to tell of those that are not there."""
    texts: list[Mapping[Address, Answered]] = []
    missing: dict[Path, str] = {}  # by folder: A and B may be one
    for folder, addresses in zip(folders, wanted, strict=True):
        answers = read_answers(folder, addresses) if addresses else {}
        if answers is None:
            missing[folder] = f"{folder} has no queries.jsonl: its queries are shown by id alone"
        elif len(answers) < len(addresses):
            n_missing = len(addresses) - len(answers)
            missing[folder] = f"{folder}/queries.jsonl lacks {n_missing} of {len(addresses)} queries to show"
        texts.append(answers or {})
    return (texts[0], texts[1]), list(missing.values())
