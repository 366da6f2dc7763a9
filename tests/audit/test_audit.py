"""Suspected labels of records whose signs are known, and the page that shows them."""

import json

import pytest

from embedder.audit.audit import audit
from embedder.audit.page import LabelsView, render
from embedder.audit.suspects import ANSWERS, COPIES, HARMS, LACKS, OUTSCORES, REWARDED, WORST, Suspect
from embedder.data.records import Records

GOLD = "Paris is the capital of France and lies on the Seine"


def record(name, pos, neg, rewards=None, scores=None, answers=("Paris",)):
    """Gold keys without a rank, then candidates of BM25 in order; scores are of all keys."""
    scores = scores or [None] * (len(pos) + len(neg))
    row = {
        "query_id": name,
        "query": f"question {name}?",
        "pos": pos,
        "neg": neg,
        "pos_source": [["gold", None, score] for score in scores[: len(pos)]],
        "neg_source": [["bm25", rank, score] for rank, score in enumerate(scores[len(pos) :], 1)],
        "answers": list(answers),
    }
    return row | ({} if rewards is None else {"teacher_scores": rewards})


def audited(path, *rows, most=100):
    (path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return audit(Records(path / "train.jsonl"), most)


def signs(suspects):
    return [(suspect.record.id, suspect.key.text, set(suspect.signs)) for suspect in suspects.worst]


def test_signs_of_false_negatives_by_hand(tmp_path):
    found = audited(
        tmp_path,
        record(
            "a",
            [GOLD],
            [
                "Paris is the capital of France and lies on the Seine river",  # 9 of 10 runs of three words
                "Paris has many museums",
                "Lyon is a city",
                "Rome is a city",
            ],
            rewards=[2.0, 2.0, 1.0, 3.0, 0.0],
            scores=[5.0, 6.0, 4.0, 9.0, 9.0],
        ),
    )
    own = found.false_negatives
    assert signs(own) == [
        ("a", "Paris is the capital of France and lies on the Seine river", {ANSWERS, COPIES, OUTSCORES}),
        ("a", "Lyon is a city", {REWARDED, OUTSCORES}),
        ("a", "Paris has many museums", {ANSWERS}),  # 4.0 is below the gold key's 5.0
    ]  # Rome outscores the gold key, which alone is no sign
    assert (own.keys, own.suspected, own.signs) == (4, 3, {ANSWERS: 2, OUTSCORES: 2, COPIES: 1, REWARDED: 1})
    assert [suspect.lead for suspect in own.worst] == [0.0, 1.0, -1.0]
    assert own.worst[0].beside[0][0].text == GOLD
    assert found.wrong_labels.worst == []


def test_signs_of_wrong_labels_by_hand(tmp_path):
    found = audited(
        tmp_path,
        record("a", ["A page without it"], ["It is Paris", "x"], rewards=[-1.0, 2.0, 0.0]),
        record("b", ["Paris it is"], ["y", "z"], rewards=[-0.5, -1.0, 0.0]),
        record("c", ["No answer here"], ["nor here"], rewards=[1.0, 2.0]),
        record("d", ["No answer there"], ["Paris"]),  # no LLM judged it
        record("e", ["The capital"], ["Paris"], rewards=[1.0, 0.0]),  # it helps most: said in other words
    ).wrong_labels
    assert signs(found) == [
        ("a", "A page without it", {HARMS, WORST, LACKS}),
        ("c", "No answer here", {WORST}),
        ("b", "Paris it is", {HARMS}),
        ("d", "No answer there", {LACKS}),
    ]  # of those with one sign first what is furthest below the best candidate: 1.0, 0.5, unknown
    assert [suspect.lead for suspect in found.worst] == [3.0, 1.0, 0.5, 0.0]
    assert found.worst[0].beside[0][0].text == "It is Paris"


def test_a_query_without_gold_keys_has_no_false_negatives(tmp_path):
    found = audited(tmp_path, record("a", [], ["Paris", "x"], rewards=[3.0, 0.0]))
    assert (found.false_negatives.keys, found.false_negatives.suspected) == (0, 0)


def test_only_the_most_suspicious_are_kept_and_all_are_counted(tmp_path):
    rows = [record(str(i), [GOLD], [f"Paris {i}"], rewards=[0.0, float(i % 7)]) for i in range(50)]
    found = audited(tmp_path, *rows, most=8).false_negatives
    assert found.suspected == 50
    best = sorted(range(50), key=lambda i: (-(i % 7), i))[:8]  # a reward above 0 is a second sign; ties in file order
    assert [suspect.record.id for suspect in found.worst] == [str(i) for i in best]


def test_hostile_text_is_shown_and_does_nothing(tmp_path):
    found = audited(tmp_path, record("a", [GOLD], ["Paris <script>alert(1)</script>\u202e" + "x" * 5000]))
    page = render(LabelsView("qa/<b>", "train.jsonl", None, found))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in page
    assert "x" * 1600 not in page
    assert "qa/&lt;b&gt;" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "None of 1 gold keys." in page


def test_suspects_are_compared_by_signs_then_lead():
    def suspect(lead, *own):
        return Suspect(None, None, None, None, lead, own)

    assert suspect(0.0, "a", "b").suspicion > suspect(9.0, "a").suspicion > suspect(8.0, "b").suspicion
    assert suspect(1.0).suspicion == pytest.approx((0, 1.0))
