import json
import os
import pickle

import pytest

from embedder.data.jsonl import JsonLines
from embedder.errors import DataError


def test_rows_by_position_with_and_without_a_last_line_break(tmp_path):
    for ending in ("", "\n"):
        path = tmp_path / f"rows{len(ending)}.jsonl"
        path.write_text("\n".join(json.dumps({"n": n, "text": "é" * n}) for n in range(50)) + ending, encoding="utf-8")
        rows = JsonLines(path)
        assert len(rows) == 50
        assert rows[0] == {"n": 0, "text": ""}
        assert rows[49]["n"] == 49
        assert [row["n"] for row in rows] == list(range(50))


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\r\n{"n": 2}\r\n', encoding="utf-8-sig")  # as Windows writes it
    assert list(JsonLines(tmp_path / "rows.jsonl")) == [{"n": 1}, {"n": 2}]


def test_a_worker_process_gets_its_own_map(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n{"n": 2}\n')
    assert pickle.loads(pickle.dumps(JsonLines(path)))[1] == {"n": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"n": 1', "not JSON"),
        (b"", "an empty line"),
        (b"[1, 2]", "expected a JSON object, got list"),
        (b'{"n": "\xff"}', "not UTF-8"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n": 0}\n' + line + b'\n{"n": 2}\n')
    rows = JsonLines(path)
    with pytest.raises(DataError, match=rf"rows.jsonl:2: .*{message}"):
        rows[1]
    assert rows[2] == {"n": 2}


def test_a_file_that_is_cut_while_it_is_read_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"n": {n}}}\n' for n in range(10_000, 20_000)))  # 13 bytes each
    rows = JsonLines(path)
    os.truncate(path, 5000 * 13)  # the map has pages behind the end now: reading one of them is SIGBUS
    assert rows[4999] == {"n": 14999}
    with pytest.raises(DataError, match=r"rows.jsonl:5001: this line is gone: .* cut the file to 65000 bytes"):
        rows[5000]
    with pytest.raises(DataError, match=r"rows.jsonl:10000: this line is gone"):
        rows[9999]


def test_an_empty_or_missing_file_is_an_error(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="the file is empty"):
        JsonLines(tmp_path / "empty.jsonl")
    with pytest.raises(DataError, match="no such file"):
        JsonLines(tmp_path / "missing.jsonl")
