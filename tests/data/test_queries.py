import json

import pytest

from embedder.data.queries import Queries
from embedder.errors import DataError


def test_an_id_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps({"query_id": name, "query": "?"}) + "\n" for name in ("a", "b", "a")))
    with pytest.raises(DataError, match=r"test\.jsonl:3: .*'a' came before"):
        list(Queries(path))
