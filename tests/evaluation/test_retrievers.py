import json

import pytest

from embedder.data.corpus import Corpus
from embedder.data.view import CorpusView
from embedder.evaluation.retrievers import BM25Retriever, DenseRetriever, RandomRetriever
from embedder.index.faiss_index import FaissIndex
from embedder.models.encoder import EncoderConfig
from embedder.types import Query, TaskSides

QUERIES = [
    Query("own", "red text 12", (), ("b/2",), among=("b/0", "b/9")),
    Query("part", "red text", among=("a/0", "a/3"), exclude=("a/1",)),
    Query("all", "red text 3", exclude=("a/3",)),
]
OF_OWN = {f"b/{i}" for i in range(10)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "c.jsonl"
    rows = [{"id": f"{name}/{i}", "text": f"red text {i} of {name}"} for name in "abc" for i in range(10)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Corpus(path)


@pytest.fixture(params=["bm25", "dense", "random"])
def retriever(request, bert_directory):
    if request.param == "dense":
        return DenseRetriever(EncoderConfig(str(bert_directory), "mean").build(), FaissIndex, TaskSides())
    return BM25Retriever() if request.param == "bm25" else RandomRetriever()


def test_a_ranking_holds_eligible_keys_only_and_all_of_them(corpus, retriever):
    retriever.fit(corpus)
    own, part, everything = retriever.retrieve(QUERIES, 30)
    assert sorted(own.key_ids) == sorted(OF_OWN)
    assert sorted(part.key_ids) == ["a/0", "a/2", "a/3"]
    assert len(set(everything.key_ids)) == len(everything.key_ids) == 29
    assert "a/3" not in everything.key_ids
    assert [len(ranking.key_ids) for ranking in retriever.retrieve(QUERIES, 2)] == [2, 2, 2]


def test_the_same_holds_in_a_view(corpus, retriever):
    retriever.fit(CorpusView(corpus, [0, 1, 5, 12, 17, 18, 29]))
    own, part, everything = retriever.retrieve(QUERIES, 30)
    assert sorted(own.key_ids) == ["b/2", "b/7", "b/8"]
    assert part.key_ids == ("a/0",)  # a/3 and a/5 lie in no or another part, a/1 is left out
    assert len(everything.key_ids) == 7
