import json

import pytest

from embedder.consumers.consumer import Scene
from embedder.data.corpus import Corpus
from embedder.data.view import CorpusView
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.index.faiss_index import FaissIndex
from embedder.retrieval.combined import HybridRetriever, MemoisedRetriever, OracleRetriever
from embedder.retrieval.retrievers import BM25Retriever, DenseRetriever, RandomRetriever, RecentRetriever
from embedder.types import Query, Ranking, TaskSides
from tests.stored import stored

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


@pytest.fixture(params=["bm25", "dense", "random", "hybrid", "oracle", "recent", "memoised"])
def retriever(request, bert_directory, tmp_path):
    if request.param == "dense":
        encoder = stored(TextEncoder(EncoderConfig(str(bert_directory), "mean")), tmp_path)
        return DenseRetriever(encoder, FaissIndex, TaskSides())
    return {
        "bm25": BM25Retriever,
        "random": RandomRetriever,
        "hybrid": lambda: HybridRetriever([BM25Retriever(), RandomRetriever()], [0.5, 0.5]),
        "oracle": lambda: OracleRetriever(BM25Retriever()),
        "recent": RecentRetriever,
        "memoised": lambda: MemoisedRetriever(BM25Retriever(), 20),
    }[request.param]()


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


class Fixed:
    """Ranks as told, and counts how often it was asked."""

    def __init__(self, *key_ids, scores=None):
        self.key_ids, self.scores = key_ids, scores or (1.0,) * len(key_ids)
        self.fits = self.calls = 0

    def fit(self, corpus):
        self.fits += 1

    def retrieve(self, queries, top_k):
        self.calls += 1
        return [Ranking(self.key_ids[:top_k], self.scores[:top_k]) for _ in queries]


def test_a_hybrid_by_hand(corpus):
    lexical = Fixed("a/0", "a/1", "a/2", scores=(9.0, 5.0, 1.0))
    dense = Fixed("a/2", "a/0", "a/9", scores=(0.8, 0.7, 0.4))
    hybrid = HybridRetriever([lexical, dense], [0.25, 0.75], depth=3)
    hybrid.fit(corpus)
    (ranking,) = hybrid.retrieve(QUERIES[2:], 3)
    # a/0: 0.25 * 1 + 0.75 * 0.3 / 0.4; a/2: 0.25 * 0 + 0.75 * 1; a/1: 0.25 * 4 / 8; a/9, the last of its ranking: 0.
    assert ranking.key_ids == ("a/0", "a/2", "a/1")
    assert ranking.scores == pytest.approx((0.25 + 0.5625, 0.75, 0.125))


@pytest.mark.parametrize(("shares", "first"), [([1.0, 0.0], "a/0"), ([0.0, 1.0], "a/2")])
def test_the_whole_share_of_a_hybrid_is_that_part(corpus, shares, first):
    hybrid = HybridRetriever([Fixed("a/0", "a/1", scores=(2, 1)), Fixed("a/2", "a/0", scores=(2, 1))], shares)
    (ranking,) = hybrid.retrieve(QUERIES[2:], 1)
    assert ranking.key_ids == (first,)


def test_keys_with_one_score_are_all_the_best_of_their_part(corpus):
    hybrid = HybridRetriever([Fixed("a/0", "a/1"), Fixed()], [0.5, 0.5])
    assert hybrid.retrieve(QUERIES[2:], 2)[0] == Ranking(("a/0", "a/1"), (0.5, 0.5))


def test_the_oracle_knows_the_gold_keys_and_nothing_else(corpus):
    oracle = OracleRetriever(Fixed("b/3", "b/2", "b/4"))
    oracle.fit(corpus)
    own, part, _ = oracle.retrieve(QUERIES, 3)
    assert own == Ranking(("b/2", "b/3", "b/4"), (1.0, 0.0, 0.0))
    assert part.key_ids == ("b/3", "b/2", "b/4")


def test_what_was_said_last_comes_first(corpus):
    recent = RecentRetriever()
    recent.fit(corpus)
    assert [r.key_ids for r in recent.retrieve(QUERIES, 2)] == [("b/9", "b/8"), ("a/3", "a/2"), ("c/9", "c/8")]


def test_what_rows_share_is_fitted_and_asked_once(corpus):
    inner = Fixed("a/0", "a/1", "a/2")
    shared = MemoisedRetriever(inner, depth=3)
    for retriever, k in ((shared, 1), (HybridRetriever([shared], [1.0], depth=3), 1), (OracleRetriever(shared), 2)):
        retriever.fit(corpus)
        assert [len(ranking.key_ids) for ranking in retriever.retrieve(QUERIES, k)] == [k] * 3
    assert (inner.fits, inner.calls) == (1, 1)
    assert shared.retrieve(QUERIES, 2)[0] == Ranking(("a/0", "a/1"), (1.0, 1.0))
    shared.fit(CorpusView(corpus, [0, 1]))
    shared.retrieve(QUERIES, 2)
    assert (inner.fits, inner.calls) == (2, 2)
    shared.retrieve(QUERIES, 4)  # deeper than what is known
    shared.retrieve(QUERIES, 3)
    assert inner.calls == 3


def test_searches_with_texts_of_the_llm_are_not_kept(corpus):
    inner = Fixed("a/0", "a/1")
    shared = MemoisedRetriever(inner)
    shared.fit(corpus)
    scene = Scene(corpus, shared.retrieve, None, None)
    shared.retrieve(QUERIES, 1)
    for number in (1, 2, 2):
        scene.search_again([(QUERIES[0], "what it wrote", number)], 1)
    assert inner.calls == 4
    shared.retrieve(QUERIES, 1)  # these are known still
    assert inner.calls == 4
    assert all(len(one) == len(QUERIES) for one in vars(shared).values() if isinstance(one, list | tuple | dict))
