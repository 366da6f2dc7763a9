"""The data sets of an evaluation: their test queries and the corpora that are searched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries, first_by_hash
from embedder.data.sources import Dataset
from embedder.encoders.checkpoint import training_of
from embedder.errors import ConfigError
from embedder.preparation.datasets import having
from embedder.training.task import Task
from embedder.types import Query


@dataclass(frozen=True)
class EvaluatedDataset:
    """One data set of an evaluation.

    Args:
        task: Its task.
        dataset: Its files.
        corpus: Its keys.
        queries: Its test queries.
        lender: A data set of the task whose training queries are few-shot examples where this one has none.
    """

    task: Task
    dataset: Dataset
    corpus: Corpus
    queries: list[Query]
    lender: Dataset | None

    @property
    def name(self) -> str:
        """Task and data set."""
        return f"{self.task.name}/{self.dataset.name}"


def read_datasets(pairs: Sequence[tuple[Task, Dataset]], max_queries: int | None) -> list[EvaluatedDataset]:
    """Read all data sets, so that what is wrong with one shows before the first is scored.

    A corpus is read once, however many data sets have it: that checks every line, and takes minutes where there are
    millions.

    Args:
        pairs: Task and data set.
        max_queries: Test queries of a data set, at most; None for all.

    Raises:
        ConfigError: A data set is one of published records.
        DataError: A file is damaged, or a task has no data set with test queries.
    """
    corpora: dict[Path, Corpus] = {}
    found = []
    for task, dataset in having(pairs, "test", otherwise="training"):
        if dataset.records is not None:
            expected = "corpus or world: published records have no test queries (docs/data.md tells the other form)"
            raise ConfigError("source", expected, str(dataset.records))
        path = dataset.file("corpus")
        if path not in corpora:
            corpora[path] = Corpus(path)
        queries = list(Queries(dataset.file("test"), corpora[path]))
        if max_queries is not None:
            queries = first_by_hash(queries, max_queries, "test")
        lender = next((other for its, other in pairs if its.name == task.name and other.train is not None), None)
        found.append(EvaluatedDataset(task, dataset, corpora[path], queries, lender))
    return found


def check_unseen(datasets: Sequence[Dataset], checkpoint: str | None) -> None:
    """What `source.test_share` keeps for tests must have been kept in training too.

    Raises:
        ConfigError: The checkpoint was trained on all queries of a data set.
    """
    if checkpoint is None or all(dataset.before_split is None for dataset in datasets):
        return
    trained = {about.get("files") for about in training_of(checkpoint).data.values()}
    for dataset in datasets:
        whole = replace(dataset, train=dataset.before_split)
        if dataset.before_split is not None and whole.fingerprint(["corpus", "train"]) in trained:
            expected = f"null, or a checkpoint that was trained with it, since this one has seen all of {dataset.name}"
            raise ConfigError("source.test_share", expected, checkpoint)
