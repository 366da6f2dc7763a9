import json

import pytest

from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.errors import DataError


def test_an_id_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps({"query_id": name, "query": "?"}) + "\n" for name in ("a", "b", "a")))
    with pytest.raises(DataError, match=r"test\.jsonl:3: .*'a' came before"):
        list(Queries(path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"among": ["a", "z"]}, r"q.jsonl:1: field 'among' names 'z', which is not in the corpus"),
        ({"exclude": ["z"]}, r"q.jsonl:1: field 'exclude' names 'z', which is not in the corpus"),
        ({"among": ["a"]}, r"q.jsonl:1: field 'among': expected the ids of the first and the last .*, got 1 ids"),
        ({"among": ["c", "a"]}, r"q.jsonl:1: field 'among': 'c' comes after 'a' in the corpus"),
        ({"among": ["b", "c"], "pos": ["a"]}, r"q.jsonl:1: field 'pos' names 'a', which 'among' or 'exclude' rules"),
        ({"exclude": ["a"], "pos": ["b", "a"]}, r"q.jsonl:1: field 'pos' names 'a', which 'among' or 'exclude' rules"),
        ({"exclude": ["a", "b", "c"]}, r"q.jsonl:1: field .exclude. names all keys"),
        ({"options": ["yes", " "]}, r"q.jsonl:1: field 'options': expected texts, got a blank one"),
    ],
)
def test_what_a_query_may_be_compared_with_is_checked(tmp_path, fields, message):
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"id": name, "text": "t"}) + "\n" for name in "abc"))
    (tmp_path / "q.jsonl").write_text(json.dumps({"query_id": "1", "query": "?", **fields}) + "\n")
    with pytest.raises(DataError, match=message):
        Queries(tmp_path / "q.jsonl", Corpus(tmp_path / "c.jsonl"))[0]
