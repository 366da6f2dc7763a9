"""`evaluate.py action=index` over a small corpus with a small encoder."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from embedder.errors import DataError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def index_run(tmp_path, bert_directory):
    files = {
        "corpus": [{"id": f"k{n}", "text": f"text {n} of {n % 7}"} for n in range(60)],
        "test": [{"query_id": f"q{n}", "query": f"which text is {n}?", "pos": [f"k{n}"]} for n in range(9)],
    }
    for name, lines in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def built(*more):
        paths = [f"source.path={tmp_path}", f"paths.root={tmp_path}/root", f"paths.output_dir={tmp_path}/out"]
        overrides = ["action=index", "task_mix=qa", "source=corpus", *paths, "encoder.pooling=mean"]
        overrides += [f"encoder.name={bert_directory}", "encoder.sha256=null", *more]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return instantiate(compose("evaluate", overrides=overrides).run, _convert_="all")

    return built


def test_each_index_is_compared_with_exact_search(index_run, tmp_path):
    rows = {row.index: row for row in index_run().run()}
    assert rows["flat"].measure.recall == rows["exact"].measure.recall == 1
    assert rows["hnsw"].measure.recall > 0.9
    assert 0 < rows["ivf_flat"].measure.recall <= 1
    assert rows["ivf_pq"].measure is None  # 32 dimensions are not 64 parts, which other indexes do not need
    assert rows["ivf_pq"].why.startswith("index.factory: ")
    table = (tmp_path / "out" / "index.md").read_text()
    assert "| qa/" in table
    header, rule, *lines, empty, reason = table.splitlines()
    assert {len(line) for line in (header, rule, *lines)} == {len(header)}  # it can be read as it is
    assert [line.split("|")[3].strip() for line in lines] == list(rows)
    assert empty == ""
    assert reason.startswith("- ivf_pq over qa/")
    assert ": index.factory: expected a FAISS factory string for 32 dimensions" in reason
    written = json.loads((tmp_path / "out" / "index.json").read_text())
    assert [row["index"] for row in written["rows"]] == list(rows)

    (again,) = index_run("run.names=[hnsw]", "vectors.encode=false").run()
    assert (again.measure.recall, again.measure.build_seconds) == (rows["hnsw"].measure.recall, None)
    assert " before |" in (tmp_path / "out" / "index.md").read_text()
    with pytest.raises(DataError, match="max_length is 192 there, 64 here"):
        index_run("vectors.encode=false", "tasks.qa.key_max_length=64").run()


def test_an_index_of_ones_own_beside_one_that_is_named(index_run):
    own = "+indexes.mine={_target_: embedder.index.faiss_index.FaissIndex, _partial_: true, factory: SQfp16}"
    rows = index_run(own, "run.names=[flat,mine]", "run.top_k=3", "run.max_test_queries=4").run()
    assert [row.index for row in rows] == ["flat", "mine"]
    assert rows[1].measure.bytes_per_vector == pytest.approx(rows[0].measure.bytes_per_vector / 2, rel=0.05)


def test_an_unknown_index_is_refused(index_run):
    with pytest.raises(InstantiationException, match=r"run.names: expected names among \['flat'.*got 'flt'"):
        index_run("run.names=[flt]").run()
