"""A file of ours that was damaged on disk is made again where it can be, and refused by name where it cannot."""

import gzip
import json
import logging
import re

import pytest
from hydra.utils import instantiate

from embedder.errors import DataError
from tests.entry_points import composed

N = 12


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, bert_directory, llama_directory):
    """A data set that an LLM has judged, and the run that made it."""
    root = tmp_path_factory.mktemp("prepared")
    (root / "mine").mkdir()
    keys = [{"id": f"k{i}", "text": f"harbour {i} was built by guild {i}"} for i in range(N)]
    content = "".join(json.dumps(key) + "\n" for key in keys)
    (root / "mine" / "corpus.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    queries = [
        {"query_id": f"q{i}", "query": f"who built harbour {i}?", "answers": [f"guild {i}"], "pos": [f"k{i}"]}
        for i in range(N)
    ]
    (root / "mine" / "train.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
    config = composed(
        "prepare",
        f"paths.root={root}",
        "source=corpus",
        f"source.path={root}/mine",
        f"encoder.name={bert_directory}",
        f"llm.name={llama_directory}",
        "llm.device=cpu",
        "llm_outputs.n_outputs=2",
        "candidates.n=3",
    )
    run = instantiate(config.run, _convert_="all")
    return run, run.run()[0]


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    return bytes(content)


def test_damaged_records_and_log_likelihoods_are_refused_by_name(prepared):
    run, dataset = prepared
    paths = sorted(path for path in dataset.directory.iterdir() if path.is_file() and path.name != "digests.json")
    assert {"manifest.json", "queries.jsonl", "train.jsonl", "train.scores.arrow"} <= {path.name for path in paths}
    for path in paths:
        content = path.read_bytes()
        for damage in (flipped(path), content[:-1], b"", None):
            path.unlink()
            if damage is not None:
                path.write_bytes(damage)
            if damage == content:  # an empty file that was cut off
                continue
            what = "is missing" if damage is None else "is not as it was written"
            with pytest.raises(
                DataError, match=re.escape(f"{dataset.directory}: {path.name} {what}: delete this folder")
            ):
                run.run()
        path.write_bytes(content)
    assert run.run()[0].directory == dataset.directory


def test_damaged_rewards_are_computed_again(prepared, caplog):
    run, dataset = prepared
    for path in sorted(dataset.rewards.glob("*.npy")):
        content = path.read_bytes()
        path.write_bytes(flipped(path))
        with caplog.at_level(logging.WARNING):
            run.run()
        assert f"{path.name} is not as it was written; the rewards are computed again" in caplog.text
        assert path.read_bytes() == content
        caplog.clear()
    with caplog.at_level(logging.WARNING):
        run.run()
    assert not caplog.records


def test_a_damaged_conversion_is_made_again(prepared, caplog):
    run, dataset = prepared
    path, content = dataset.corpus_path, dataset.corpus_path.read_bytes()
    path.write_bytes(flipped(path))
    with caplog.at_level(logging.WARNING):
        run.run()
    assert "corpus.jsonl is not as it was written; it is made again from" in caplog.text
    assert path.read_bytes() == content
