import json
import math
import random

import pytest

from embedder.data.near_questions import NearQuestions
from embedder.data.overlap import trained_on
from embedder.data.sources import Dataset


def test_similarity_by_hand():
    questions = NearQuestions(["Who wrote Hamlet?", "Who wrote Macbeth?", "Where is Oslo?"], 0.1)
    # who, wrote: 2 of 3 questions have them, log(1 + 3 / 2) each; hamlet, macbeth: log(1 + 3); unseen words: log 4 too.
    common, rare = math.log(2.5), math.log(4)
    found = dict(questions.like("who wrote HAMLET"))
    assert found == pytest.approx({0: 1.0, 1: 2 * common / (2 * common + 2 * rare)})
    assert dict(questions.like("Hamlet: wrote who?")) == pytest.approx(found)  # in any order
    assert dict(questions.like("Who wrote Lear?"))[0] == pytest.approx(2 * common / (2 * common + 2 * rare))
    assert dict(questions.like("?!")) == {}


@pytest.mark.parametrize("limit", [0.3, 0.6, 1.0])
def test_agrees_with_comparing_all_pairs(limit):
    chance = random.Random(0)
    words = [f"w{int(chance.paretovariate(0.5)) % 40}" for _ in range(2000)]
    questions = [" ".join(chance.choices(words, k=chance.randint(1, 8))) for _ in range(120)]
    sets = [set(question.split()) for question in questions]
    n_with = {word: sum(word in own for own in sets[:60]) for word in set().union(*sets)}

    def weight(some):
        return sum(math.log(1 + 60 / max(1, n_with[word])) for word in some)

    near, n = NearQuestions(questions[:60], limit), 0
    for own, question in zip(sets[60:], questions[60:], strict=True):
        all_pairs = {i: weight(own & other) / weight(own | other) for i, other in enumerate(sets[:60])}
        expected = {i: share for i, share in all_pairs.items() if share >= limit - 1e-9}
        n += len(expected)
        assert dict(near.like(question)) == pytest.approx(expected)
    assert n > 5


def test_near_questions_are_reported_with_the_nearest_first(tmp_path, caplog):
    def rows(name, *queries):
        lines = [json.dumps({"query_id": str(i), **query}) + "\n" for i, query in enumerate(queries)]
        (tmp_path / name).write_text("".join(lines))
        return tmp_path / name

    train = rows("train.jsonl", {"query": "When did the Ouija board come out"}, {"query": "Where is Oslo?"})
    test = rows(
        "test.jsonl",
        {"query": "when did the ouija board first come out"},
        {"query": "where is  oslo?"},  # the same
        {"query": "Who was the first king of Norway?"},
        {"query": "When did the board come out?", "among": ["k1", "k9"]},  # asks about keys of its own
    )
    (found,) = trained_on([Dataset("qa", "one", None, train, test)]).values()
    assert (found.questions, found.same) == (4, 1)
    assert found.as_json()["near"] == 1
    (pair,) = found.as_json()["nearest"]
    assert pair["test"] == "when did the ouija board first come out"
    assert pair["training"] == "When did the Ouija board come out"
    # Of the 3 questions without `among`, two have `the` and `first`, one each other word. `first` is all that differs.
    rare, common = math.log(1 + 3), math.log(1 + 3 / 2)
    assert pair["similarity"] == pytest.approx((6 * rare + common) / (6 * rare + 2 * common), abs=1e-3)
    assert "1 of 4 test questions are worded nearly like a training question" in caplog.text
