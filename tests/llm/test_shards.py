import logging

import pyarrow as pa
import pytest

from embedder.errors import DataError
from embedder.llm.shards import ShardFolder

SCHEMA = pa.schema([("n", pa.int32())])


def rows(*numbers):
    return pa.table([pa.array(numbers, type=pa.int32())], schema=SCHEMA)


def unread(folder):
    return sorted(n for table in folder.unread() for n in table["n"].to_pylist())


def test_what_one_writes_the_other_reads_once(tmp_path):
    writer, reader = ShardFolder(tmp_path / "new", SCHEMA), ShardFolder(tmp_path / "new", SCHEMA)
    assert unread(reader) == []
    writer.write(rows(1, 2))
    writer.write(rows(3))
    assert unread(reader) == [1, 2, 3]
    assert unread(reader) == []
    assert unread(writer) == []  # its own rows it knows
    assert not list((tmp_path / "new").glob(".*"))


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b"", lambda b: b[:20] + bytes([b[20] ^ 1]) + b[21:]])
def test_a_damaged_shard_is_named_and_moved_aside(tmp_path, caplog, damage):
    folder = ShardFolder(tmp_path, SCHEMA)
    folder.write(rows(1))
    path = folder.write(rows(2))
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with caplog.at_level(logging.WARNING):
        assert unread(ShardFolder(tmp_path, SCHEMA)) == [1]
    assert path.name in caplog.text
    assert (tmp_path / "damaged" / path.name).exists()
    assert ShardFolder(tmp_path, SCHEMA).write(rows(2)) == path  # made again, under the same name
    assert path.read_bytes() == whole


def test_a_shard_of_another_kind_is_moved_aside(tmp_path):
    other = ShardFolder(tmp_path, pa.schema([("text", pa.string())]))
    other.write(pa.table({"text": ["x"]}))
    assert unread(ShardFolder(tmp_path, SCHEMA)) == []
    assert len(list((tmp_path / "damaged").iterdir())) == 1


def test_read_only_folders_are_read_and_never_changed(tmp_path):
    shipped = ShardFolder(tmp_path / "shipped", SCHEMA)
    shipped.write(rows(1))
    damaged = shipped.write(rows(2))
    damaged.write_bytes(b"x")
    before = sorted(path.name for path in (tmp_path / "shipped").iterdir())
    layered = ShardFolder(tmp_path / "own", SCHEMA, [tmp_path / "shipped"])
    layered.write(rows(3))
    assert unread(layered) == [1]
    layered.replace_all(rows(1, 3))
    assert sorted(path.name for path in (tmp_path / "shipped").iterdir()) == before
    with pytest.raises(DataError, match="nowhere"):
        ShardFolder(tmp_path / "own", SCHEMA, [tmp_path / "nowhere"])


def test_merging_keeps_what_others_wrote_meanwhile(tmp_path):
    mine, theirs = ShardFolder(tmp_path, SCHEMA), ShardFolder(tmp_path, SCHEMA)
    mine.write(rows(1))
    mine.write(rows(2))
    theirs.write(rows(3))
    mine.replace_all(rows(1, 2))
    assert unread(ShardFolder(tmp_path, SCHEMA)) == [1, 2, 3]
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_a_merge_that_changes_nothing_does_not_delete_its_own_result(tmp_path):
    folder = ShardFolder(tmp_path, SCHEMA)
    folder.write(rows(1))
    folder.replace_all(rows(1))
    assert unread(ShardFolder(tmp_path, SCHEMA)) == [1]


def test_two_processes_meet_one_damaged_shard(tmp_path):
    path = ShardFolder(tmp_path, SCHEMA).write(rows(1))
    path.write_bytes(path.read_bytes()[:-1])
    first, second = ShardFolder(tmp_path, SCHEMA), ShardFolder(tmp_path, SCHEMA)
    first._set_aside(path, ValueError("damaged"))
    second._set_aside(path, ValueError("damaged"))  # the other one was quicker
    assert (tmp_path / "damaged" / path.name).is_file()
    assert list(first.unread()) == list(second.unread()) == []
