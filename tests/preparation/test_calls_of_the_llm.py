"""Which queries the LLM judges together does not depend on chunks, parts or repeated texts."""

from embedder.preparation import write_records
from embedder.processes import TOGETHER, Processes
from embedder.types import Query

QUERIES = [Query(f"q{i}", f"what is {i}?") for i in range(100)]


def test_no_chunk_ends_within_a_call(monkeypatch):
    monkeypatch.setattr(write_records, "_CHUNK", 30)
    judged = {f"q{i}" for i in range(100) if i % 3}  # 66 of 100
    chunks = list(write_records.chunks(((query, ()) for query in QUERIES), judged))
    assert [query for chunk in chunks for query, _ in chunk] == QUERIES
    counts = [sum(query.id in judged for query, _ in chunk) for chunk in chunks]
    assert counts == [32, 32, 2]  # the first chunk has 30 queries with 20 judged ones, and takes 18 more


def test_parts_are_made_of_whole_calls():
    calls = [QUERIES[start : start + TOGETHER] for start in range(0, 100, TOGETHER)]
    shares = [Processes(rank, 3).share(100, TOGETHER) for rank in range(3)]
    parts = [QUERIES[share.start : share.stop] for share in shares]
    assert parts == [calls[0] + calls[1] + calls[2], calls[3] + calls[4], calls[5] + calls[6]]
