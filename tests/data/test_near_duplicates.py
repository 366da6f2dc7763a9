import json
import random
import sys

import pytest

from embedder.data.corpus import Corpus
from embedder.data.near_duplicates import bands, duplicates
from embedder.data.shingles import jaccard, shingles
from embedder.errors import MissingExtraError


def corpus_of(texts, tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(texts)))
    return Corpus(path)


def test_copies_by_hand(tmp_path):
    words = [f"w{i}" for i in range(100)]
    one_changed = [*words[:50], "new", *words[51:]]  # 95 of 101 runs
    two_changed = [*one_changed[:20], "new", *one_changed[21:]]  # 92 of 104; 95 of 101 with the one before
    texts = [" ".join(text) for text in (words, ["other"], one_changed, two_changed, words, one_changed)]
    texts[4] = texts[4].replace(" ", "\u00a0 ", 3)  # the same normal form
    found = list(duplicates(corpus_of(texts, tmp_path), 0.9))
    assert [one[:2] for one in found] == [(2, 0), (4, 0), (5, 0)]  # 3 is near 2 alone, which is no original
    assert [one.similarity for one in found] == pytest.approx([95 / 101, 1.0, 1.0])
    assert [one[:2] for one in duplicates(corpus_of(texts, tmp_path), 0.88)] == [(2, 0), (3, 0), (4, 0), (5, 0)]


@pytest.mark.parametrize("limit", [0.5, 0.9])
def test_agrees_with_comparing_all_pairs(limit, tmp_path):
    chance, texts = random.Random(1), []
    for _ in range(60):
        base = [f"w{chance.randrange(500)}" for _ in range(60)]
        for n_changed in (0, 1, 2, 4, 8):
            text = list(base)
            for _ in range(n_changed):
                text[chance.randrange(60)] = "changed"
            texts.append(" ".join(text))
    chance.shuffle(texts)
    sets, originals, expected = [shingles(text) for text in texts], [], []
    for position, own in enumerate(sets):
        share, original = max(((jaccard(own, sets[one]), -one) for one in originals), default=(0, 0))
        if share >= limit:
            expected.append((position, -original, share))
        else:
            originals.append(position)
    found = list(duplicates(corpus_of(texts, tmp_path), limit))
    assert found == list(duplicates(corpus_of(texts, tmp_path), limit))
    missed = {one[:2] for one in expected} - {one[:2] for one in found}
    assert len(missed) <= 0.02 * len(expected)  # 1 % at the limit, fewer above
    assert all(jaccard(sets[one.position], sets[one.original]) == one.similarity >= limit for one in found)


def test_bands_miss_at_most_a_hundredth_at_the_limit():
    for limit in (0.3, 0.5, 0.7, 0.8, 0.9, 0.99):
        assert (1 - limit ** (128 / bands(limit))) ** bands(limit) <= 0.01
    assert bands(0.01) == 128  # the most there are


def test_the_package_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingExtraError, match=r"rensa.*embedder-llm\[duplicates\]"):
        list(duplicates(corpus_of(["a", "b"], tmp_path), 0.9))
