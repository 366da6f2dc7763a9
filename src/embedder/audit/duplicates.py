"""`prepare.py action=duplicates`: keys of a corpus that repeat an earlier one, and data sets without them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.bounds import ShareAboveZero
from embedder.checks import checked
from embedder.data.corpus import Corpus
from embedder.data.excerpts import Excerpts
from embedder.data.jsonl import JsonLines, json_line
from embedder.data.near_duplicates import Duplicate, duplicates
from embedder.data.queries import Queries
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.files import whole_folder, write_atomically
from embedder.preparation.datasets import Source, dataset_pairs
from embedder.shown import shown
from embedder.training.task import Task

logger = logging.getLogger(__name__)

_FIELDS = ("pos", "exclude")  # of a query that name keys
_RUN, _SHARE = 5, 0.8  # words in a row; share of the runs of a question that a key must have
_SHOWN = 3  # questions that the log shows


@checked("run")
@dataclass(frozen=True)
class DuplicatesRun:
    """`prepare.py action=duplicates`: what the corpora of a task mix repeat.

    Args:
        tasks: The task mix.
        source: Names the data sets.
        output_dir: Where `TASK/NAME.jsonl` lists each repeated key as `id`, `copy_of` and `similarity`.
        limit: The Jaccard similarity of runs of three words from which a key repeats another one.
        out: A new folder for the data sets without what is repeated, as `TASK/NAME/`: queries that name a repeated key
            name its original. None writes none.
    """

    tasks: dict[str, Task]
    source: Source
    output_dir: str
    limit: ShareAboveZero = 0.9
    out: str | None = None

    def __post_init__(self) -> None:
        if self.out is not None and Path(self.out).exists():
            raise ConfigError("run.out", "a folder that does not exist yet", self.out)

    def run(self) -> None:
        """Find them, data set by data set."""
        found = [
            (dataset, corpus := Corpus(dataset.file("corpus")), self._found(dataset, corpus))
            for _, dataset in dataset_pairs(self.source, self.tasks)
            if dataset.records is None
        ]
        if self.out is None:
            return
        with whole_folder(Path(self.out)) as folder:
            for dataset, corpus, copies in found:
                originals = {corpus[one.position].id: corpus[one.original].id for one in copies}
                own = folder / dataset.task / dataset.name
                own.mkdir(parents=True)
                write_without(dataset, originals, own)
        logger.info("without what is repeated: %s", self.out)

    def _found(self, dataset: Dataset, corpus: Corpus) -> list[Duplicate]:
        name = f"{dataset.task}/{dataset.name}"
        copies = list(duplicates(corpus, self.limit))
        exact = sum(one.similarity == 1.0 for one in copies)
        logger.info(
            "%s: of %d keys %d repeat an earlier one wholly, %d nearly (%.2f or more of their runs of three words)",
            name,
            len(corpus),
            exact,
            len(copies) - exact,
            self.limit,
        )
        near = sorted((one for one in copies if one.similarity < 1.0), key=lambda one: one.similarity)
        for one in near[:1]:
            texts = (shown(corpus[position].text, 300) for position in (one.original, one.position))
            logger.info("%s: the least similar, %.2f\n  %s\n  %s", name, one.similarity, *texts)
        for split in ("train", "test"):
            path: Path | None = getattr(dataset, split)
            if path is not None and copies:
                n = _n_with_unlabelled_copy(Queries(path, corpus), corpus, copies)
                logger.info("%s: %d queries of %s have a gold key with a copy that is not gold", name, n, split)
        if dataset.test is not None:
            _log_questions_in_keys(name, Queries(dataset.test), corpus)
        lines = (
            {"id": corpus[one.position].id, "copy_of": corpus[one.original].id, "similarity": round(one.similarity, 4)}
            for one in copies
        )
        listed = Path(self.output_dir) / dataset.task / f"{dataset.name}.jsonl"
        listed.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(listed, "".join(map(json_line, lines)))
        logger.info("%s: listed in %s", name, listed)
        return copies


def _n_with_unlabelled_copy(queries: Queries, corpus: Corpus, copies: Sequence[Duplicate]) -> int:
    """How many queries have a gold key, of whose copies and original one is not gold."""
    group_of = {one.position: one.original for one in copies}
    group_of |= {one.original: one.original for one in copies}
    sizes: dict[int, int] = {}
    for group in group_of.values():
        sizes[group] = sizes.get(group, 0) + 1
    n = 0
    for query in queries:
        gold = [group_of[p] for p in set(map(corpus.position, query.positives)) if p in group_of]
        n += any(gold.count(group) < sizes[group] for group in gold)
    return n


def _log_questions_in_keys(name: str, queries: Queries, corpus: Corpus) -> None:
    """Say how many test questions a key contains, such as the example that a test question was made from."""
    ids = {query.text: query.id for query in queries}
    excerpts = Excerpts(ids, _RUN, _SHARE)
    holders: dict[str, str] = {}
    for key in corpus:
        for question in excerpts.like(key.text):
            holders.setdefault(question, key.id)
    logger.info("%s: %d of %d test questions are, nearly in full, in the text of a key", name, len(holders), len(ids))
    for question, key_id in list(holders.items())[:_SHOWN]:
        logger.info("%s: %s in key %s", name, shown(question), shown(key_id))


def write_without(dataset: Dataset, originals: Mapping[str, str], folder: Path) -> None:
    """Write a data set without some keys; queries that name one of these name its original.

    Args:
        dataset: It stays as it is.
        originals: Of each key that is left out the one that stays, by id.
        folder: Gets `corpus.jsonl` and, where there are such files, `train.jsonl` and `test.jsonl`.

    Raises:
        DataError: A query is compared with a range of keys, from which none can be taken away.
    """
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json_line(row) for row in JsonLines(dataset.file("corpus")) if row["id"] not in originals)
    for split in ("train", "test"):
        path: Path | None = getattr(dataset, split)
        if path is None:
            continue
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as out:
            for row in JsonLines(path).rows():
                if "among" in row:
                    message = "field 'among': a query that is compared with a range of keys needs all of them"
                    raise DataError(row.path, row.line, message)
                named = {field: [originals.get(one, one) for one in row.texts(field)] for field in _FIELDS}
                named["exclude"] = [one for one in named["exclude"] if one not in named["pos"]]
                changed: dict[str, Any] = {
                    field: list(dict.fromkeys(ids)) for field, ids in named.items() if field in row
                }
                out.write(json_line(row.values | changed))
