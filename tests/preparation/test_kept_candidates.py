"""Candidates that are written down are those that were proposed, whoever reads them."""

import json
import os
import time

import pytest

from embedder.candidates.candidates import Candidates
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import BM25Proposer
from embedder.data.corpus import Corpus
from embedder.data.queries import Queries
from embedder.files import make_once
from embedder.metrics.text import has_answer
from embedder.preparation.kept_candidates import KeptCandidates, keep_candidates, remove_unread


def test_what_is_kept_is_what_was_proposed(tmp_path, monkeypatch):
    monkeypatch.setattr("embedder.preparation.kept_candidates._BLOCK", 16)
    keys = [{"id": f"k{i}", "text": f"thing {i} costs {i} coins"} for i in range(40)]
    long = " ".join(f"thing{i}" for i in range(100))
    keys[38]["text"], keys[39]["text"] = f"thing 38 {long} 1", f"thing 38 {long} 2"  # near duplicates
    rows = [
        {"query_id": f"{i}", "query": f"price of thing {i}" if i else "zzz", "answers": ["x"], "pos": [f"k{i}"]}
        for i in range(40)
    ]
    for name, some in (("corpus", keys), ("train", rows)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    corpus = Corpus(tmp_path / "corpus.jsonl")
    queries = list(Queries(tmp_path / "train.jsonl", corpus))
    finder = CandidateFinder(Candidates(n=5), [BM25Proposer()], corpus, has_answer)
    expected = list(finder.propose(queries))
    again = CandidateFinder(Candidates(n=5), [BM25Proposer()], corpus, has_answer)
    make_once(tmp_path / "kept", lambda folder: keep_candidates(queries, again, corpus, folder))
    kept = KeptCandidates(tmp_path / "kept", corpus)
    assert list(kept.propose(queries)) == expected
    assert list(kept.propose(queries[35:3:-3])) == expected[35:3:-3]
    assert {candidate.source for candidates in expected for candidate in candidates} == {"gold", "bm25", "random"}
    assert (kept.unranked, kept.dropped) == (finder.unranked, finder.dropped)
    assert finder.unranked == 1
    assert finder.dropped["near_duplicates"]
    os.utime(tmp_path / "kept", (0, 0))
    next(kept.propose(queries))
    assert time.time() - (tmp_path / "kept").stat().st_mtime < 3600  # read, though opened long ago
    assert kept.copies == finder.copies == {"38": [39]}


def test_what_no_run_reads_again_is_removed(tmp_path):
    for name in (".a-1.candidates", ".a-2.candidates", ".a-3.candidates", "a-3", ".a-4.lock"):
        (tmp_path / name).mkdir()
    day_ago = time.time() - 86401
    os.utime(tmp_path / ".a-2.candidates", (day_ago, day_ago))
    remove_unread(tmp_path)
    remaining = [".a-1.candidates", ".a-4.lock", "a-3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == remaining
    with pytest.raises(FileNotFoundError):  # removed by another process, just before it is opened
        KeptCandidates(tmp_path / ".a-2.candidates", None)
    assert sorted(path.name for path in tmp_path.iterdir()) == remaining  # no file where the folder was
