import json

import pytest

from embedder.candidates.bm25 import BM25Candidates
from embedder.data.corpus import Corpus
from embedder.errors import ConfigError
from embedder.types import Query

TEXTS = ["red apple tree", "red apple pie", "green apple", "blue car", "a red car", "red apple tree", "silent night"]


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "c.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "text": t}) + "\n" for i, t in enumerate(TEXTS))
    )
    return Corpus(tmp_path / "c.jsonl")


def test_gold_first_then_lexical_then_random_without_repeated_texts(corpus):
    (found,) = BM25Candidates(n=6, max_gold=1).propose([Query("q", "red apple", (), ("0", "2"))], corpus)
    assert next(c.source for c in found) == "gold"
    texts = [c.key.text for c in found]
    assert len(set(texts)) == len(texts)
    assert "green apple" not in texts  # the second gold key is never a negative
    assert found[1].key.text == "red apple pie"
    assert found[1].source == "bm25"
    assert found[1].rank is not None
    assert {c.source for c in found[3:]} == {"random"}  # only two more texts share a word


def test_proposals_do_not_depend_on_other_queries(corpus):
    queries = [Query(str(i), text, (), ("3",)) for i, text in enumerate(["red", "night", "zzz", "apple pie"])]
    together = list(BM25Candidates(n=4).propose(queries, corpus))
    assert together[2] == next(BM25Candidates(n=4).propose(queries[2:3], corpus))
    # Nor on how many gold keys the others have, which decides how deep the index is searched.
    beside = Query("many", "car", (), ("0", "2", "3", "4", "6"))
    alone = next(BM25Candidates(n=3).propose(queries[:1], corpus))
    assert next(BM25Candidates(n=3).propose([queries[0], beside], corpus)) == alone


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"candidates.max_gold: expected 1 to 3"):
        BM25Candidates(n=4, max_gold=4)
