"""Passages are chosen by a seed, and spread over the documents."""

import json

from embedder.data.jsonl import JsonLines
from embedder.questions.passages import spread


def corpus(tmp_path, rows):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return JsonLines(path)


def test_every_document_comes_once_before_one_comes_twice(tmp_path):
    sizes = {"a.md": 5, "b.md": 1, "c.md": 3}
    rows = [{"id": f"{file}{k}", "text": "one two three", "file": file} for file, n in sizes.items() for k in range(n)]
    order, short = spread(corpus(tmp_path, rows), seed=0, shortest=3)
    files = [rows[position]["file"] for position in order]
    assert [sorted(files[:3]), sorted(files[3:5]), sorted(files[5:7]), files[7:]] == [
        ["a.md", "b.md", "c.md"],
        ["a.md", "c.md"],
        ["a.md", "c.md"],
        ["a.md", "a.md"],
    ]
    assert (sorted(order), short) == (list(range(9)), 0)


def test_the_seed_alone_decides_and_short_passages_are_counted(tmp_path):
    rows = [{"id": str(k), "text": "word " * (1 + k % 4)} for k in range(40)]
    lines = corpus(tmp_path, rows)
    order, short = spread(lines, seed=0, shortest=2)
    assert short == 10
    assert all(position % 4 for position in order)
    assert spread(lines, seed=0, shortest=2)[0] == order
    other = spread(lines, seed=1, shortest=2)[0]
    assert other != order
    assert sorted(other) == sorted(order)
    moved = corpus(tmp_path, rows[::-1])  # the order of lines does not matter
    assert [39 - position for position in spread(moved, seed=0, shortest=2)[0]] == order
