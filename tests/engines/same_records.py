"""Compare what two preparations have written."""

import filecmp
from pathlib import Path

import pyarrow.parquet as pq


def assert_same_records(directory: Path, other: Path) -> None:
    """All files are the same, byte for byte, the log-likelihoods too."""
    names = [path.name for path in directory.iterdir() if path.is_file()]
    assert {"train.jsonl", "validation.jsonl", "train.scores.arrow", "validation.scores.arrow"} < set(names)
    assert sorted(filecmp.cmpfiles(directory, other, names, shallow=False)[0]) == sorted(names)


def addresses(store: Path) -> list[bytes]:
    """Of all scores in a store."""
    return [a for path in (store / "scores").glob("*.parquet") for a in pq.read_table(path)["address"].to_pylist()]
