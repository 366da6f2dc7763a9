"""A retriever of the user's own, named in the setting `retrievers`, is a row of the evaluation."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from embedder.errors import ConfigError
from embedder.types import Ranking

ROOT = Path(__file__).parents[2]


@dataclass
class InOrder:
    """Keys in the order of the corpus, from one of them on."""

    first: int = 0

    def fit(self, corpus):
        self._ids = [corpus[position].id for position in range(len(corpus))]

    def retrieve(self, queries, top_k):
        ids = tuple(self._ids[self.first :][:top_k])
        return [Ranking(ids, (0.0,) * len(ids)) for _ in queries]


@pytest.fixture
def evaluation(tmp_path):
    files = {
        "corpus": [{"id": f"k{n}", "text": f"text {n}"} for n in range(4)],
        "test": [{"query_id": "q", "query": "which text?", "pos": ["k2"], "answers": ["2"]}],
    }
    for name, lines in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def built(name, rows):
        own = f"+retrievers.{name}={{_target_: {__name__}.InOrder, first: 1}}"
        paths = [f"source.path={tmp_path}", f"paths.root={tmp_path}/root", f"paths.output_dir={tmp_path}/out"]
        overrides = ["task_mix=qa", "source=corpus", *paths, "run.rag_enabled=false", f"rows=[{rows}]", own]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return instantiate(compose("evaluate", overrides=overrides).run, _convert_="all")

    return built


def test_it_is_a_row_beside_the_others(evaluation):
    for _ in range(2):  # the second time it goes on from the rows that are there
        rows = evaluation("in_order", "random,in_order").score()
        assert [row.retriever for row in rows] == ["random", "in_order"]
        # The gold key k2 is second in k1, k2, k3.
        assert rows[1].mean["mrr@10"] == 0.5
        assert rows[1].mean["ndcg@10"] == pytest.approx(1 / math.log2(3))
        assert [rows[1].mean[f"answer_recall@{k}"] for k in (1, 3)] == [0, 1]  # the room of a reader, without one
        assert rows[1].protocol["retriever"] == {"own": {"class": "InOrder", "first": 1}}


def test_its_name_is_not_that_of_another_row(evaluation):
    with pytest.raises(ConfigError, match=r"retrievers: expected names beside those of the rows .*, got 'bm25'"):
        evaluation("bm25", "bm25").score()


def test_a_row_that_is_neither_is_refused_with_both_kinds(evaluation):
    with pytest.raises(ConfigError, match=r"rows: expected names among .*'oracle', 'in_order'\], got 'in_ordre'"):
        evaluation("in_order", "in_ordre").score()
