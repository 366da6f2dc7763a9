import logging
import math
import subprocess
import sys

import pytest

from embedder.llm.address import output_address
from embedder.llm.score_store import ScoreStore
from embedder.types import OutputScore


def address(n):
    return output_address("llm", "prompt", str(n))


def score(n):
    return OutputScore(-float(n) - 0.125, n % 7 + 1)


def fill(store, numbers):
    store.add([address(n) for n in numbers], [score(n) for n in numbers])


def assert_holds(store, numbers):
    assert store.get([address(n) for n in numbers]) == [score(n) for n in numbers]


def test_scores_survive_and_strangers_are_none(tmp_path):
    store = ScoreStore(tmp_path)
    fill(store, range(100))
    assert_holds(store, range(100))  # before they are written
    store.flush()
    again = ScoreStore(tmp_path)
    assert_holds(again, range(99, -1, -1))
    assert again.get([address(1), address(1000), address(2)]) == [score(1), None, score(2)]
    assert again.get([]) == []
    assert len(again) == len(store) == 100


def test_addresses_that_end_in_zero_bytes_are_kept_apart(tmp_path):
    # numpy strips zero bytes at the end of byte strings.
    addresses = [b"\0" * 16, b"a" + b"\0" * 15, b"\0" * 15 + b"a", b"a" * 15 + b"\0"]
    store, other = ScoreStore(tmp_path), ScoreStore(tmp_path)
    store.add(addresses, [score(n) for n in range(4)])
    store.compact()
    other.refresh()
    for reader in (store, other, ScoreStore(tmp_path)):
        assert reader.get(addresses) == [score(n) for n in range(4)]


def test_nothing_added_writes_nothing(tmp_path):
    store = ScoreStore(tmp_path / "new")
    store.flush()
    store.compact()
    assert not (tmp_path / "new").exists()


def test_refresh_shows_the_scores_of_others(tmp_path):
    mine, theirs = ScoreStore(tmp_path), ScoreStore(tmp_path)
    fill(theirs, [1, 2])
    fill(mine, [2, 3])
    theirs.flush()
    assert mine.get([address(1)]) == [None]
    mine.refresh()
    assert_holds(mine, [1, 2, 3])
    assert len(mine) == 3


def test_what_others_add_is_merged_once_for_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("embedder.llm.score_store._MERGE_ROWS", 1000)
    theirs = ScoreStore(tmp_path)
    fill(theirs, range(10_000))
    theirs.flush()
    mine = ScoreStore(tmp_path)
    merged: list[int] = []  # rows that each merge goes through
    merge = mine._merge
    monkeypatch.setattr(
        mine, "_merge", lambda new, *columns: (merged.append(len(mine._addresses) + len(new)), merge(new, *columns))
    )
    for start in range(10_000, 16_000, 50):
        fill(theirs, range(start, start + 50))
        theirs.flush()
        mine.refresh()
    assert_holds(mine, range(16_000))
    assert len(merged) == 2
    assert sum(merged) < 30_000


def test_compact_leaves_one_shard_without_duplicates(tmp_path):
    for numbers in ([1, 2], [2, 3], [1, 3], [1, 2]):
        store = ScoreStore(tmp_path)
        store.add([address(n) for n in numbers], [score(n) for n in numbers])
        store.flush()
    store.compact()
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert len(ScoreStore(tmp_path)) == 3
    assert_holds(ScoreStore(tmp_path), [1, 2, 3])


def test_a_shipped_store_lies_underneath(tmp_path):
    shipped = ScoreStore(tmp_path / "shipped")
    fill(shipped, [1])
    shipped.flush()
    store = ScoreStore(tmp_path / "own", read_only=(tmp_path / "shipped",))
    fill(store, [2])
    store.flush()
    assert_holds(store, [1, 2])
    assert len(ScoreStore(tmp_path / "own")) == 1


def test_rows_of_a_damaged_shard_are_missing_and_can_be_added_again(tmp_path):
    store = ScoreStore(tmp_path)
    fill(store, [1])
    store.flush()
    first = next(iter(tmp_path.glob("*.parquet")))
    fill(store, [2])
    store.flush()
    first.write_bytes(first.read_bytes()[:-10])
    store = ScoreStore(tmp_path)
    assert store.get([address(1), address(2)]) == [None, score(2)]
    fill(store, [1])
    store.flush()
    assert_holds(ScoreStore(tmp_path), [1, 2])


WRITER = """
import sys
from embedder.llm.address import output_address
from embedder.llm.score_store import ScoreStore
from embedder.types import OutputScore

directory, start = sys.argv[1], int(sys.argv[2])
store = ScoreStore(directory)
for n in range(start, start + 200):
    store.add([output_address("llm", "prompt", str(n))], [OutputScore(-float(n) - 0.125, n % 7 + 1)])
    if n % 10 == 9:
        store.flush()
    if n % 50 == 49:
        store.compact()
store.flush()
"""


def test_two_processes_write_and_merge_at_once(tmp_path):
    # The ranges overlap: 0..199 and 150..349.
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(start)]) for start in (0, 150)]
    assert [writer.wait() for writer in writers] == [0, 0]
    store = ScoreStore(tmp_path)
    assert len(store) == 350
    assert_holds(store, range(350))
    assert not (tmp_path / "damaged").exists()


@pytest.mark.parametrize("shift", [0, 1])
def test_many_rows_are_merged_in_passing(tmp_path, monkeypatch, shift):
    monkeypatch.setattr("embedder.llm.score_store._MERGE_ROWS", 10)
    store = ScoreStore(tmp_path)
    for n in range(50 + shift):
        fill(store, [n])
    assert_holds(store, range(50 + shift))
    store.flush()
    assert_holds(ScoreStore(tmp_path), range(50 + shift))


NONSENSE = [OutputScore(math.nan, 1), OutputScore(-math.inf, 1), OutputScore(0.5, 3), OutputScore(-1.0, 0)]


@pytest.mark.parametrize("wrong", NONSENSE)
def test_what_is_no_log_likelihood_is_not_stored(tmp_path, wrong):
    store = ScoreStore(tmp_path)
    with pytest.raises(ValueError, match="not the log-likelihood"):
        store.add([b"0" * 16, b"1" * 16], [score(1), wrong])
    assert len(store) == 0
    store.add([b"0" * 16], [OutputScore(3e-7, 2)])  # a share of 1, rounded
    assert len(store) == 1


def test_what_is_no_log_likelihood_is_not_believed_when_it_is_read(tmp_path, caplog):
    store = ScoreStore(tmp_path)
    fill(store, [1, 2])
    store._unwritten |= {address(10 + n): wrong for n, wrong in enumerate(NONSENSE)}  # as if an earlier version wrote
    store.flush()
    with caplog.at_level(logging.WARNING):
        again = ScoreStore(tmp_path)
    assert "4 of 6 scores" in caplog.text
    assert_holds(again, [1, 2])
    assert again.get([address(10 + n) for n in range(4)]) == [None] * 4
    again.compact()
    assert len(ScoreStore(tmp_path)) == 2
