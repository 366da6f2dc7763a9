"""Small files of published forms, and what is read of them."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.public import PublicDataset, PublicSource, Table


def parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return Table("parquet", "test", files=str(path))


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def lines(path, rows):
    return Table("json", "test", files=str(write_lines(path, rows)))


def read(directory, form, task="qa", corpus=None, task_form=None):
    """The one data set, its keys by id and its test queries by id."""
    public = form if isinstance(form, PublicDataset) else PublicDataset(task, form, corpus)
    (dataset,) = PublicSource({"set": public}, str(directory / "converted")).datasets(task, task_form)
    keys = Corpus(dataset.file("corpus"))
    return dataset, {key.id: key.text for key in keys}, {q.id: q for q in queries(dataset, "test", keys)}


def queries(dataset, role, keys=None) -> Iterator:
    return iter(Queries(dataset.file(role), keys))
