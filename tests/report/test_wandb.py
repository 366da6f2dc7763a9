"""A run of Weights & Biases is written off line and read back from its files."""

import json
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from embedder.errors import ConfigError
from embedder.report.wandb_dashboard import evaluation_layout
from embedder.report.wandb_run import log_to_wandb
from tests.report.folders import line, row, write_folder

BLOCK = 32768  # of a log in LevelDB's form, which run-*.wandb is after a header of 7 bytes


def records(path):
    """The records of a run's file: pieces with a header of checksum, length and kind (1 whole, 2 to 4 parts)."""
    data, at, pieces = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        pieces += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield Record.FromString(pieces)
            pieces = b""


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    values, worse = {"a": 1.0, "b": 0.0, "c": 1.0}, {"a": 1.0, "b": 0.0, "c": 0.0}
    rows = [row("BM25", {"em": values, "ndcg@10": values}), row("base encoder", {"em": worse, "ndcg@10": worse})]
    keys = [{"id": "g", "score": 2.5, "text": "<b>" + "long " * 200}]
    lines = [line("BM25", query, keys=keys, output="\0", scores={"em": value}) for query, value in values.items()]
    protocol = {
        "environment": {"commit": "abc1234"},
        "checkpoint": "/somewhere/fine/export",
        "encoder": {"name": "a/b"},
    }
    folder = write_folder(tmp_path_factory.mktemp("logged"), rows, lines, protocol=protocol)
    run = log_to_wandb(folder, "embedder-test", max_lines=2)
    (path,) = run.glob("run-*.wandb")
    for _ in range(6000):  # another process writes it, on a busy machine some time after the run is finished
        if any(one.WhichOneof("record_type") == "exit" for one in records(path)):
            break
        time.sleep(0.1)
    return folder, run


def table(run, name):
    (path,) = (run / "files" / "media" / "table").rglob(f"{name}_*.table.json")
    return json.loads(path.read_text())


def test_the_leaderboard_is_a_table(logged):
    _, run = logged
    found = table(run, "leaderboard")
    lines = [dict(zip(found["columns"], one, strict=True)) for one in found["data"]]
    assert {(one["data set"], one["retriever"], one["metric"]) for one in lines} == {
        ("qa/world", who, metric) for who in ("BM25", "base encoder") for metric in ("em", "ndcg@10")
    }
    assert next(one for one in lines if one["retriever"] == "BM25")["mean"] == pytest.approx(2 / 3)


def test_queries_are_a_table_with_texts_cut(logged):
    _, run = logged
    found = table(run, "queries")
    assert len(found["data"]) == 2  # max_lines
    one = dict(zip(found["columns"], found["data"][0], strict=True))
    assert one["first key"].startswith("<b>long ")
    assert one["first key"].endswith("(703 more characters)")  # 1003 - 300
    assert (one["output"], one["gold"], one["score"], one["em"]) == ("\u2400", True, 2.5, 1.0)


def test_charts_summary_and_protocol_are_in_the_file_that_sync_reads(logged):
    folder, run = logged
    (path,) = run.glob("run-*.wandb")
    found = list(records(path))
    (begun,) = [one.run for one in found if one.WhichOneof("record_type") == "run"]
    assert begun.project == "embedder-test"
    config = {one.key: json.loads(one.value_json) for one in begun.config.update}
    config |= {one.key: json.loads(one.value_json) for r in found for one in r.config.update}
    assert config["protocol"]["environment"]["commit"] == "abc1234"
    assert (config["protocol"]["checkpoint"], config["protocol"]["encoder"]["name"]) == ("export", "a/b")
    history = {(item.key or item.nested_key[0]) for one in found for item in one.history.item}
    assert {"leaderboard", "queries"} <= history
    assert any(key.startswith("scenario/qa/em") for key in history)
    summary = {}
    for one in found:
        for item in one.summary.update:
            summary[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    assert summary["qa/world/BM25/em"] == pytest.approx(2 / 3)
    # The layout asks for nothing that a run does not have.
    layout = evaluation_layout(folder, "somebody", "embedder-test")
    asked = {key for section in layout.sections for panel in section.panels for key in getattr(panel, "metrics", [])}
    assert asked == {f"qa/world/{who}/{metric}" for who in ("BM25", "base encoder") for metric in ("em", "ndcg@10")}
    assert asked <= set(summary)
    assert [section.name for section in layout.sections] == ["qa", "leaderboard", "queries"]


def test_a_run_tells_nothing_of_this_machine(logged):
    folder, run = logged
    (path,) = run.glob("run-*.wandb")
    found = list(records(path))
    assert not [one for one in found if one.environment.ListFields() and one.environment.os]
    (begun,) = [one.run for one in found if one.WhichOneof("record_type") == "run"]
    assert (begun.host, begun.git.remote_url, begun.git.commit) == ("", "", "")
    assert not list((run / "files").glob("*.*"))  # such as wandb-metadata.json and requirements.txt
    sent = path.read_bytes() + b"".join(file.read_bytes() for file in (run / "files").rglob("*") if file.is_file())
    assert b"qa/world" in sent
    for own in (f"{folder.parent}/", f"{Path(__file__).parents[2]}/", sys.executable, "/somewhere"):
        assert own.encode() not in sent


def test_a_page_loads_neither_wandb_nor_scipy():
    code = "import sys, embedder.app.report; print({'wandb', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_project_needs_a_name(logged):
    with pytest.raises(ConfigError, match=r"report\.project"):
        log_to_wandb(logged[0], "")
