import json

import pytest

from embedder.data.corpus import Corpus
from embedder.data.eligible import eligible_keys
from embedder.data.queries import Queries, first_by_hash
from embedder.data.view import with_gold_keys
from embedder.errors import DataError
from embedder.types import Query


def corpus_of(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Corpus(path)


def test_by_position_and_by_id(tmp_path):
    corpus = corpus_of(tmp_path / "c.jsonl", *({"id": f"k{i}", "title": "", "text": f"text {i}"} for i in range(500)))
    assert [corpus.position(f"k{i}") for i in (0, 250, 499)] == [0, 250, 499]
    with pytest.raises(KeyError):
        corpus.position("k500")


def test_title_and_text_are_joined_whatever_the_text_begins_with(tmp_path):
    rows = [
        {"title": "C", "text": "Cats sleep."},
        {"title": "Oru", "text": "Oru lies."},
        {"title": " ", "text": "A"},
    ]
    texts = corpus_of(tmp_path / "c.jsonl", *({"id": str(i)} | row for i, row in enumerate(rows))).texts()
    assert list(texts) == ["C Cats sleep.", "Oru Oru lies.", "A"]


def test_a_second_row_of_one_id_names_both_lines(tmp_path):
    with pytest.raises(DataError, match=r"c.jsonl:3: id 'a' is already that of line 1"):
        corpus_of(tmp_path / "c.jsonl", *({"id": name, "text": "t"} for name in "aba"))


def test_an_unknown_gold_id_is_named(tmp_path):
    corpus = corpus_of(tmp_path / "c.jsonl", {"id": "a", "text": "t"})
    (tmp_path / "q.jsonl").write_text('{"query_id": "1", "query": "q", "pos": ["z"]}\n')
    with pytest.raises(DataError, match=r"q.jsonl:1: field 'pos' names 'z', which is not in the corpus"):
        Queries(tmp_path / "q.jsonl", corpus)[0]


def test_choice_by_hash_does_not_depend_on_order():
    queries = [Query(str(i), "q") for i in range(100)]
    chosen = first_by_hash(queries, 10, "validation")
    assert chosen == first_by_hash(queries[::-1], 10, "validation")
    assert chosen != first_by_hash(queries, 10, "examples")
    assert len({query.id for query in chosen}) == 10


def test_a_view_keeps_all_gold_keys(tmp_path):
    corpus = corpus_of(tmp_path / "c.jsonl", *({"id": f"k{i}", "text": f"text {i}"} for i in range(100)))
    queries = [Query("1", "q", (), ("k3", "k77"))]
    view = with_gold_keys(corpus, queries, 10, seed=0)
    assert len(view) == 10
    assert view[view.position("k77")].text == "text 77"
    assert with_gold_keys(corpus, queries, None, seed=0) is corpus


def test_a_view_keeps_what_each_query_may_be_compared_with(tmp_path):
    corpus = corpus_of(tmp_path / "c.jsonl", *({"id": f"k{i}", "text": f"text {i}"} for i in range(1000)))
    queries = [
        Query("1", "q", (), ("k3",), among=("k0", "k9"), exclude=("k4", "k5")),
        Query("2", "q", (), ("k507",), among=("k500", "k519")),
    ]
    view = with_gold_keys(corpus, queries, 20, seed=0)
    assert len(view) == 20
    of_each = [{view[p].id for p in range(len(view)) if p in eligible_keys(query, view)} for query in queries]
    assert "k3" in of_each[0] <= {f"k{i}" for i in range(10)} - {"k4", "k5"}
    assert "k507" in of_each[1] <= {f"k{i}" for i in range(500, 520)}
    # All keys of the view serve some query: none was drawn from the 970 that neither may be compared with.
    assert {view[p].id for p in range(20)} - of_each[0] - of_each[1] <= {"k4", "k5"}
    whole = with_gold_keys(corpus, queries, 100, seed=0)
    assert len(whole) == 30  # there are no more
    assert len(eligible_keys(queries[0], whole)) == 8
