"""One rule says what is better, whichever surface shows it."""

from dataclasses import replace

import pytest

from embedder.callbacks.validation_record import Validation, told_change
from embedder.report.leaderboard import boards
from embedder.report.leaders import against, leaders
from embedder.results.comparison import CompareSettings, compare
from embedder.results.scores import Scores
from embedder.results.scores_file import read_results
from embedder.results.statistics import ALPHA, Difference, Interval
from embedder.results.table import render
from embedder.results.verdict import Verdict, corrected
from tests.results.folders import made_row, row, write


def verdict(p, difference=0.1, metric="em"):
    return Verdict("a", "b", "qa", metric, Difference(9, 0, difference, difference, Interval(0, 1), p, 5, 2), p)


@pytest.mark.parametrize(
    ("p", "difference", "metric", "expected"),
    [
        (0.049, 0.1, "em", 1),
        (0.049, -0.1, "em", -1),
        (0.049, 0.1, "perplexity", -1),
        (0.049, 0.0, "em", 0),
        (0.05, 0.1, "em", 0),  # 1 - 0.95 is a little more than 0.05: the table once called this more than chance
        (0.9, 0.1, "em", 0),
    ],
)
def test_better_is_a_corrected_p_value_below_the_level(p, difference, metric, expected):
    assert verdict(p, difference, metric).beyond_chance == expected


def test_verdicts_that_are_looked_at_together_are_corrected_together():
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1 are 0.03, 0.06, 0.04; none may fall below the one before.
    found = corrected([verdict(0.01), verdict(0.04), verdict(0.03)])
    assert [each.p for each in found] == pytest.approx([0.03, 0.06, 0.06])
    assert [each.difference.p for each in found] == [0.01, 0.04, 0.03]  # as they are alone
    assert corrected(found) == found  # from the p-values of the tests, so twice is once
    assert corrected([]) == []


def two(better, n=40):
    """The base encoder is always wrong, the trained one right on some queries: McNemar's p is 2 / 2^better."""
    values = {"base encoder": [0.0] * n, "trained encoder": [1.0] * better + [0.0] * (n - better)}
    return {who: {"em": some} for who, some in values.items()}


@pytest.mark.parametrize("better", [5, 6])  # p = 0.0625 and 0.03125
def test_table_page_comparison_and_validation_say_the_same(tmp_path, better):
    rows = [made_row(who, values) for who, values in two(better).items()]
    expected = better == 6
    scores = Scores(rows)
    assert ("▲" in render(rows).splitlines()[3]) is expected
    (leader,) = leaders(scores)
    assert (leader.best, leader.ahead.beyond_chance) == ("trained encoder", int(expected))
    (difference,) = against("base encoder", scores)
    assert difference == replace(leader.ahead, scope="qa")
    (board,) = boards(scores)
    assert [cells[0].level for _, cells in board.lines] == [not expected, False]
    results = read_results(write(tmp_path, [row(who, values) for who, values in two(better).items()]))
    found = compare(results, results, [("base encoder", "trained encoder")], CompareSettings())
    assert [each.beyond_chance for each in found.pairs[0].datasets] == [int(expected)]
    assert found.pairs[0].datasets[0] == replace(difference, scope="qa/world")
    by_query = [each.per_query["em"] for each in rows]
    before, after = (
        Validation(step, {"val/ndcg@10": sum(values.values()) / 40}, {"qa/world": values})
        for step, values in enumerate(by_query)
    )
    assert ("beyond chance" in told_change("val/ndcg@10", before, after)) is expected


def test_the_page_corrects_who_is_level_with_the_best_for_the_whole_table():
    # Six of six for the best, p = 2 / 64: alone beyond chance, among three rows 0.09. An interval of the difference,
    # which is not corrected, once set all three apart from the best.
    right = {"best": 6, "x": 0, "y": 0, "z": 0}
    rows = [made_row(who, {"em": [1.0] * n + [0.0] * (40 - n)}) for who, n in right.items()]
    (alone,) = boards(Scores(rows[:2]))
    assert [cells[0].level for _, cells in alone.lines] == [False, False]
    (board,) = boards(Scores(rows))
    assert [cells[0].level for _, cells in board.lines] == [False, True, True, True]
    pairs = Scores(rows).pairs("em", "x", "best", [("qa", "world")])
    assert pairs.difference.interval.high < 0


def test_a_difference_that_is_the_same_everywhere_is_no_tie():
    # No resample differs, so there is no interval; the signs of thirty equal losses are no chance.
    rows = [made_row(who, {"f1": [value] * 30}) for who, value in (("BM25", 0.5), ("base encoder", 0.25))]
    (board,) = boards(Scores(rows))
    assert [cells[0].level for _, cells in board.lines] == [False, False]
    assert "▲" in render(rows).splitlines()[2]
    assert ALPHA == 0.05
