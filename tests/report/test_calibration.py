import pytest

from embedder.report.calibration import FirstKeys
from embedder.results.answers import Answered, Shown


def seen(hits, scores, dataset="world"):
    keys = FirstKeys()
    for number, (hit, score) in enumerate(zip(hits, scores, strict=True)):
        first = Shown("g" if hit else "x", score, "")
        keys.see(Answered("qa", dataset, "BM25", str(number), "", (), ("g",), (first,), None, (), {}))
    return keys


def test_tenths_by_score():
    # Right from score 50 on: the lower five tenths are never right, the upper five always.
    (found,) = seen([score >= 50 for score in range(100)], range(100)).calibrations()
    assert [part.right for part in found.bins] == [0.0] * 5 + [1.0] * 5
    assert [part.queries for part in found.bins] == [10] * 10
    assert (found.bins[0].low, found.bins[0].high) == (0, 9)
    assert found.auc == 1.0
    # Wilson for 0 of 10: z^2 / (n + z^2) = 3.8415 / 13.8415.
    assert found.bins[0].right_high == pytest.approx(0.27753, abs=1e-4)


def test_auc_by_hand():
    # Right 3 and 1, wrong 2 and 0: of four pairs 3>2, 3>0, 1>0 hold.
    (found,) = seen([True, False, True, False], [3, 2, 1, 0]).calibrations()
    assert found.auc == 0.75


def test_scores_of_two_data_sets_are_ranked_apart():
    keys = FirstKeys()
    for dataset, offset in (("small", 0), ("large", 1000)):
        for number in range(20):
            first = Shown("g" if number >= 10 else "x", float(offset + number), "")
            keys.see(Answered("qa", dataset, "BM25", str(number), "", (), ("g",), (first,), None, (), {}))
    (found,) = keys.calibrations()
    assert found.auc == 1.0  # pooled raw scores would give 0.75


def test_equal_scores_and_unlabelled_queries():
    (found,) = seen([True, False] * 10, [0.0] * 20).calibrations()
    assert (found.bins, found.auc, found.queries) == ([], None, 20)
    keys = FirstKeys()
    keys.see(Answered("qa", "world", "BM25", "1", "", (), (), (Shown("x", 1.0, ""),), None, (), {}))
    assert keys.calibrations() == []
