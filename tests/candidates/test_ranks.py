"""Which ranks candidates are taken from, and which of these texts count as one."""

import json
import random

import pytest

from embedder.candidates.candidates import Candidates
from embedder.candidates.filters import CandidateFilters
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import Hits
from embedder.data.corpus import Corpus
from embedder.metrics.text import has_answer
from embedder.types import Query


def hits(positions, scores, gold_scores=(), other=-1.0):
    """A ranking, beside which every key has the score `other`."""
    of_position = dict(zip(positions, scores, strict=True))
    return Hits(tuple(positions), tuple(scores), tuple(gold_scores), lambda position: of_position.get(position, other))


class Listed:
    """A source that ranks the keys of a corpus as they are listed, with cosines of our choice."""

    def __init__(self, scores, gold_scores=(), name="dense"):
        self.name = name
        self._hits = hits(range(len(scores)), scores, gold_scores)

    def fit(self, corpus):
        pass

    def rank(self, queries, top_k):
        return [self._hits.first(top_k) for _ in queries]


def corpus_of(texts, path):
    path.write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
    return Corpus(path)


@pytest.fixture
def corpus(tmp_path):
    return corpus_of([f"text number {i}" for i in range(200)], tmp_path / "c.jsonl")


def ranks(corpus, query, source, **settings):
    settings = Candidates(n=6, max_gold=1, sources=(source.name,), near_duplicates=None, **settings)
    (found,) = CandidateFinder(settings, [source], corpus, has_answer).propose([query])
    return [candidate.rank for candidate in found if candidate.source != "gold"]


def falling(n):
    return [1 - i / 1000 for i in range(n)]


def test_the_best_of_a_window_of_ranks(corpus):
    assert ranks(corpus, Query("q", "?"), Listed(falling(200)), range_min=10) == [11, 12, 13, 14, 15, 16]
    # Rank 12 is the gold key: it has a rank, but is no negative.
    assert ranks(corpus, Query("q", "?", (), ("11",)), Listed(falling(200)), range_min=10) == [11, 13, 14, 15, 16]


def test_a_random_draw_is_a_function_of_the_query_and_the_seed_and_reaches_every_rank_of_the_window(corpus):
    def draw(name, seed=0):
        window = {"range_min": 10, "range_max": 40, "sampling_strategy": "random"}
        return ranks(corpus, Query(name, "?"), Listed(falling(200)), seed=seed, **window)

    assert draw("a") == draw("a")
    assert draw("a") != draw("b")
    assert draw("a") != draw("a", seed=1)
    drawn = [draw(str(i)) for i in range(100)]
    assert {rank for own in drawn for rank in own} == set(range(11, 41))
    assert all(own == sorted(set(own)) and len(own) == 6 for own in drawn)  # distinct, shown best first


def test_the_best_matches_of_one_source_come_back_neither_by_another_nor_at_random(tmp_path):
    corpus = corpus_of([f"text number {i}" for i in range(6)], tmp_path / "c.jsonl")
    lexical = Listed(falling(6), name="bm25")
    dense = Listed([], name="dense")
    dense._hits = hits((5, 4, 3, 2, 1, 0), (0.9, 0.8, 0.7, 0.6, 0.5, 0.4))
    settings = Candidates(n=6, sources=("bm25", "dense"), range_min=2, near_duplicates=None)
    (found,) = CandidateFinder(settings, [lexical, dense], corpus, has_answer).propose([Query("q", "?")])
    assert sorted(candidate.key.id for candidate in found) == ["2", "3"]  # 0, 1 are BM25's best, 5, 4 the encoder's


@pytest.mark.parametrize(
    ("filters", "limit"),
    [
        (CandidateFilters(relative_margin=0.05), 0.76),  # 0.95 * 0.8
        (CandidateFilters(absolute_margin=0.05), 0.75),  # 0.8 - 0.05
        (CandidateFilters(max_score=0.7), 0.7),
    ],
)
def test_limits_of_scores_by_hand(corpus, filters, limit):
    ((name, found),) = filters.limits([0.6, 0.8], are_cosines=True).items()  # the best gold key counts
    assert found == pytest.approx(limit)
    scores = [0.9, 0.8, 0.77, 0.755, 0.72, 0.7, 0.6, 0.5, 0.4, 0.3]
    first = next(rank for rank, score in enumerate(scores, 1) if score <= limit)
    source = Listed(scores, [0.8])  # key 1
    assert ranks(corpus, Query("q", "?", (), ("1",)), source, filters=filters)[0] == first
    assert limit_name(source, filters, corpus) == {name}


def limit_name(source, filters, corpus):
    settings = Candidates(n=6, max_gold=1, sources=("dense",), near_duplicates=None, filters=filters)
    finder = CandidateFinder(settings, [source], corpus, has_answer)
    list(finder.propose([Query("q", "?", (), ("1",))]))
    return set(finder.dropped)


def test_limits_hold_for_random_keys_too(tmp_path):
    corpus = corpus_of([f"text number {i}" for i in range(300)], tmp_path / "c.jsonl")
    source = Listed(falling(100))
    source._hits = hits(range(100), [0.9] * 100, other=0.8)  # nothing in the corpus is below the limit
    settings = Candidates(n=4, sources=("dense",), near_duplicates=None, filters=CandidateFilters(max_score=0.7))
    finder = CandidateFinder(settings, [source], corpus, has_answer)
    assert list(finder.propose([Query("q", "?")])) == [()]
    assert finder.dropped == {"max_score": 300}


def test_limits_where_there_is_no_gold_key_or_the_scores_are_no_cosines():
    filters = CandidateFilters(relative_margin=0.1, absolute_margin=0.1, max_score=0.7)
    assert filters.limits([], are_cosines=True) == {"max_score": 0.7}
    assert filters.limits([20.0], are_cosines=False) == {"relative_margin": 18.0}  # BM25
    assert filters.limits([0.0], are_cosines=False) == {}  # BM25 finds no word of the query in a gold key
    assert filters.limits([-0.2], are_cosines=True) == pytest.approx({"absolute_margin": -0.3, "max_score": 0.7})


def words(n, seed):
    return [f"w{random.Random(seed).randrange(10**6)}x{i}" for i in range(n)]


def test_a_near_duplicate_of_a_gold_key_is_no_candidate_and_of_others_one_is(tmp_path):
    gold, other = words(100, 0), words(100, 1)
    # Of 98 runs of three words a changed last word changes one: 97 / 99 = 0.98. One in the middle changes three:
    # 95 / 101 = 0.94.
    texts = [gold, [*gold[:99], "new"], other, [*other[:50], "new", *other[51:]], words(100, 2)]
    corpus = corpus_of([" ".join(text) for text in texts], tmp_path / "c.jsonl")

    copies = []

    def found(limit, **query):
        settings = Candidates(n=5, sources=("dense",), near_duplicates=limit)
        finder = CandidateFinder(settings, [Listed(falling(5))], corpus, has_answer)
        (found,) = finder.propose([Query("q", "?", **query)])
        copies.append(finder.copies)
        return [candidate.key.id for candidate in found], dict(finder.dropped)

    assert found(0.9, positives=("0",)) == (["0", "2", "4"], {"near_duplicates": 2})
    assert copies == [{"q": [1]}]  # of the gold key, not of the other one
    assert found(0.96, positives=("0",)) == (["0", "2", "3", "4"], {"near_duplicates": 1})
    assert found(None, positives=("0",)) == (["0", "1", "2", "3", "4"], {})
    assert found(0.9, exclude=("0",))[0] == ["2", "4"]  # such as the example that the query was made from
