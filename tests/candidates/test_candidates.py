import json

import numpy as np
import pytest

from embedder.candidates.candidates import Candidates
from embedder.candidates.filters import CandidateFilters
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import BM25Proposer, DenseProposer
from embedder.data.corpus import Corpus
from embedder.errors import ConfigError
from embedder.index.faiss_index import FaissIndex
from embedder.index.fusion import reciprocal_rank_fusion
from embedder.metrics.text import has_answer
from embedder.types import Query, TaskSides
from tests.stored import stored

TEXTS = ["red apple tree", "red apple pie", "green apple", "blue car", "a red car", "red apple tree", "silent night"]


class LetterEncoder:
    """Unit vectors of letter counts: near where texts share letters."""

    dimension = 26

    def encode(self, texts, reading, *, progress=False):
        counts = np.array([[text.count(chr(97 + k)) for k in range(26)] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "c.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(TEXTS))
    )
    return Corpus(tmp_path / "c.jsonl")


def finder(corpus, settings):
    encoder = stored(LetterEncoder(), corpus.path.parent / "vectors")
    makers = {"bm25": BM25Proposer, "dense": lambda: DenseProposer(encoder, FaissIndex, TaskSides())}
    return CandidateFinder(settings, [makers[source]() for source in settings.sources], corpus, has_answer)


def propose(corpus, queries, **settings):
    return list(finder(corpus, Candidates(**settings)).propose(queries))


def test_gold_first_then_lexical_then_random_without_repeated_texts(corpus):
    (found,) = propose(corpus, [Query("q", "red apple", (), ("0", "2"))], n=6, max_gold=1)
    assert (found[0].source, found[0].rank) == ("gold", 1)  # the first of the best matches
    texts = [c.key.text for c in found]
    assert len(set(texts)) == len(texts)
    assert "green apple" not in texts  # the second gold key is never a negative
    assert found[1].key.text == "red apple pie"
    assert found[1].source == "bm25"
    assert found[1].rank == 2  # as good a match as the gold key and its twin, in the order of the corpus
    assert {c.source for c in found[3:]} == {"random"}  # only two more texts share a word


def test_proposals_do_not_depend_on_other_queries(corpus):
    queries = [Query(str(i), text, (), ("3",)) for i, text in enumerate(["red", "night", "zzz", "apple pie"])]
    assert propose(corpus, queries, n=4)[2:3] == propose(corpus, queries[2:3], n=4)
    # Nor on how many gold keys the others have, which decides how deep the index is searched.
    beside = Query("many", "car", (), ("0", "2", "3", "4", "6"))
    assert propose(corpus, [queries[0], beside], n=3)[:1] == propose(corpus, queries[:1], n=3)


@pytest.mark.parametrize("sources", [("bm25",), ("dense",), ("bm25", "dense")])
def test_only_eligible_keys_are_proposed_and_all_of_them(corpus, sources):
    query = Query("q", "red apple", (), ("2",), among=("1", "4"), exclude=("3",))
    (found,) = propose(corpus, [query], n=7, sources=sources)
    assert {c.key.id for c in found} == {"1", "2", "4"}
    # The text of an excluded key is no candidate under another id either.
    (found,) = propose(corpus, [Query("q", "red apple", exclude=("0",))], n=7, sources=sources)
    assert {c.key.id for c in found} == {"1", "2", "3", "4", "6"}


def test_dense_candidates_by_hand(corpus):
    (found,) = propose(corpus, [Query("q", "night", (), ("3",))], n=3, sources=("dense",))
    # night: n i g h t. "silent night" has n 2, i 2, t 2, g h s l e 1 each: 8 / (sqrt 5 sqrt 17) = 0.868.
    assert [(c.source, c.key.id) for c in found[:2]] == [("gold", "3"), ("dense", "6")]
    assert (found[1].rank, found[1].score) == (1, pytest.approx(8 / (5 * 17) ** 0.5))
    assert found[0].rank is None  # the rank of a gold key is BM25's


def test_what_both_sources_find_comes_first_with_the_better_place():
    # 7: 1/61 + 1/62; 5: 1/62 + 1/63; then 9 (1/61), 4 (1/63).
    assert reciprocal_rank_fusion([[7, 5, 4], [9, 7, 5]]) == [7, 5, 9, 4]
    assert reciprocal_rank_fusion([[1, 2], [3, 4]]) == [1, 3, 2, 4]
    assert reciprocal_rank_fusion([[], []]) == []


def test_hybrid_keeps_the_source_that_ranks_a_key_higher(corpus):
    (found,) = propose(corpus, [Query("q", "blue pie tree")], n=7, sources=("bm25", "dense"))
    places = {}
    for source in ("bm25", "dense"):
        (own,) = propose(corpus, [Query("q", "blue pie tree")], n=7, sources=(source,))
        places[source] = {c.key.id: c.rank for c in own if c.source == source}
    assert {c.source for c in found} == {"bm25", "dense"}
    for candidate in found:
        ranks = {source: some[candidate.key.id] for source, some in places.items() if candidate.key.id in some}
        assert candidate.rank == ranks[candidate.source] == min(ranks.values())


def test_candidates_that_contain_an_answer_are_passed_over_and_counted(corpus):
    one = finder(corpus, Candidates(n=7, filters=CandidateFilters(drop_answers=True)))
    (found,) = one.propose([Query("q", "red apple", ("Apple",), ("0",))])
    assert found[0].key.id == "0"
    assert {c.key.id for c in found[1:]} == {"3", "4", "6"}
    assert one.dropped == {"drop_answers": 2}  # pie and green; the gold key's twin is no candidate anyway


def test_candidates_that_score_like_the_gold_key_are_passed_over(corpus):
    # BM25 of "red apple": 0 and 5 have both words in three, 1 too: the same score; 2 and 4 have one word each.
    one = finder(corpus, Candidates(n=7, filters=CandidateFilters(relative_margin=0.05)))
    (found,) = one.propose([Query("q", "red apple", (), ("0",))])
    assert "1" not in {c.key.id for c in found}
    assert {c.key.id for c in found} == {"0", "2", "3", "4", "6"}
    assert one.dropped == {"relative_margin": 1}
    (found,) = one.propose([Query("q", "red apple")])  # without a gold key nothing is known
    assert len({c.key.text for c in found}) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 4, "max_gold": 4}, r"candidates.max_gold: expected 1 to 3"),
        ({"sources": ["bm25", "magic"]}, r"candidates.sources: expected different ones of bm25, dense"),
        ({"sources": []}, r"candidates.sources"),
        ({"range_min": 10, "range_max": 17}, r"candidates.range_max: expected 18 or more \(range_min \+ n\), got 17"),
        ({"sampling_strategy": "random"}, r"candidates.range_max: expected the last rank to draw from"),
        ({"sampling_strategy": "best"}, r"candidates.sampling_strategy: expected 'top' or 'random'"),
        ({"filters": CandidateFilters(max_score=0.7)}, r"filters.max_score: expected null, or `dense`"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ConfigError, match=message):
        Candidates(**settings)
    with pytest.raises(ConfigError, match=r"filters.relative_margin"):
        CandidateFilters(relative_margin=1.0)
    with pytest.raises(ConfigError, match=r"filters.max_score: expected a cosine from -1 to 1"):
        CandidateFilters(max_score=7.0)


@pytest.mark.parametrize("sources", [("bm25",), ("dense",)])
def test_a_copy_of_a_gold_text_in_other_white_space_or_unicode_form_is_never_proposed(tmp_path, sources):
    texts = [
        "red apple tree",
        "red  apple\ttree",
        "red\u00a0apple tree",
        "\uff52ed apple tree",
        "Red apple tree",
        "pear",
    ]
    path = tmp_path / "c.jsonl"
    path.write_text("".join(json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(texts)))
    (found,) = propose(Corpus(path), [Query("q", "red apple tree", (), ("0",))], n=6, sources=sources)
    assert [c.key.id for c in found] == ["0", "4", "5"]  # letter case tells keys apart


def test_queries_that_no_source_ranks_a_key_for_are_counted(corpus):
    some = finder(corpus, Candidates(n=3))
    list(some.propose([Query(str(i), text) for i, text in enumerate(["red", "a", "?", "unknown"])]))
    assert some.unranked == 3
