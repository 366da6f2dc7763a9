"""Leaderboard, comparisons, harm, examples, heat map: each with sums by hand."""

import math

import pytest

from embedder.metrics.sample_size import questions_needed
from embedder.report.charts import axis
from embedder.report.examples import changes
from embedder.report.harm import harms
from embedder.report.heat_map import heat_map
from embedder.report.leaderboard import boards
from embedder.report.leaders import against, choose_pair, leaders
from embedder.report.measures import columns, compared, number
from embedder.results.resampling import Sampling, resample
from embedder.results.scores import Mean, Scores
from embedder.results.statistics import mean_interval
from embedder.results.table import render
from tests.results.folders import made_row


def rows(table, dataset="world", task="qa"):
    """A row for each retriever from metric -> list of values."""
    return tuple(made_row(who, metrics, task, dataset) for who, metrics in table.items())


TWO = Scores(
    rows({"BM25": {"em": [1, 0]}, "base encoder": {"em": [1, 1]}, "oracle": {"em": [1, 1]}}, "a")
    + rows({"BM25": {"em": [0, 0, 0, 1]}, "oracle": {"em": [1, 1, 1, 1]}}, "b")
)


def test_the_mean_is_over_data_sets_and_only_where_all_of_them_are_there():
    whole, a, b = boards(TWO)
    assert [board.title for board in (whole, a, b)] == ["mean over 2 data sets", "qa/a", "qa/b"]
    cells = {who: cell for who, (cell,) in whole.lines}
    assert cells["BM25"].mean.value == (0.5 + 0.25) / 2
    assert cells["base encoder"] is None
    assert whole.queries == 6


def test_a_mean_says_how_many_data_sets_have_the_metric():
    some = rows({"BM25": {"em": [1, 0], "ndcg@10": [1, 0]}}, "a") + rows({"BM25": {"em": [0, 0]}}, "b")
    whole, *each = boards(Scores(some))
    assert whole.over == {"ndcg@10": " (of 1)", "em": " (of 2)"}
    assert [board.over for board in each] == [{}, {}]


def test_the_oracle_is_not_the_best():
    whole, *_ = boards(TWO)
    cells = {who: cell for who, (cell,) in whole.lines}
    assert cells["BM25"].best
    assert not cells["oracle"].best


def test_perplexity_is_best_where_it_is_lowest():
    nats = {"BM25": [1.0, 3.0], "base encoder": [0.0, 2.0]}
    scores = Scores(rows({who: {"perplexity": [math.exp(value) for value in some]} for who, some in nats.items()}))
    (board,) = boards(scores)
    values = {who: (cell.mean.value, cell.best) for who, (cell,) in board.lines}
    assert values["base encoder"] == (pytest.approx(math.e), True)  # exp of the mean of 0 and 2
    (one,) = against("BM25", scores)
    assert one.mean.value == pytest.approx(math.e - math.e**2)
    assert (one.better, one.worse) == (2, 0)


def test_a_verdict_names_leader_lead_and_chance():
    twenty = Scores(rows({"BM25": {"em": [1.0] * 20}, "random": {"em": [1.0] * 5 + [0.0] * 15}}))
    (leader,) = leaders(twenty)
    assert (leader.best, leader.ahead.a, leader.ahead.mean.value) == ("BM25", "random", 0.75)
    assert leader.ahead.beyond_chance == 1
    three = Scores(rows({who: {"em": [1.0, 0.0]} for who in ("BM25", "random", "base encoder")}))
    (leader,) = leaders(three)
    assert (leader.best, leader.tied) == ("BM25", ("random", "base encoder"))
    six = Scores(rows({"BM25": {"em": [1, 1, 1, 0, 0, 0]}, "random": {"em": [1, 1, 0, 0, 0, 0]}}))
    (leader,) = leaders(six)
    assert (leader.ahead.beyond_chance, leader.ahead.p) == (0, 1.0)
    assert leader.ahead.needed == questions_needed(1 / 6, 0)


def test_one_changed_query_of_many_is_chance():
    values = {"BM25": {"ndcg@10": [0.5] * 30}, "random": {"ndcg@10": [0.5] * 29 + [0.0]}}
    (one,) = against("random", Scores(rows(values)))
    assert (one.better, one.p) == (1, 1.0)
    (one,) = against("random", Scores(rows(values, "a") + rows(values, "b")))
    assert one.p > 0.4  # two changed, of four patterns of signs two reach their sum


def test_what_is_0_by_definition_is_not_best_and_not_compared():
    alone = {"log_likelihood": [-3.0, -2.0], "gain": [0.0, 0.0], "harm": [0.0, 0.0]}
    found = {"log_likelihood": [-4.0, -2.5], "gain": [-1.0, -0.5], "harm": [1.0, 0.0]}
    scores = Scores(rows({"no retrieval": alone, "BM25": found}))
    (board,) = boards(scores)
    cells = {(who, m): cell for who, some in board.lines for m, cell in zip(board.metrics, some, strict=True)}
    for metric in ("gain", "harm"):
        assert cells["no retrieval", metric].mean == Mean(0.0, None, None)
        assert not cells["no retrieval", metric].best
        assert not cells["no retrieval", metric].level
        assert cells["BM25", metric].best
    assert cells["no retrieval", "log_likelihood"].best
    assert compared(["gain", "harm", "log_likelihood"]) == ["log_likelihood"]
    assert [(one.metric, one.mean.value) for one in against("no retrieval", scores)] == [("log_likelihood", -0.75)]


def test_the_page_and_the_table_draw_alike():
    values = {"BM25": {"ndcg@10": [0.1, 0.5, 0.9, 0.3]}, "random": {"ndcg@10": [0.2, 0.4, 0.0, 0.3]}}
    scores = Scores(rows(values))
    mean = scores.mean("ndcg@10", "BM25", [("qa", "world")])
    own = dict(zip(("q0", "q1", "q2", "q3"), values["BM25"]["ndcg@10"], strict=True))
    drawn = mean_interval(resample({"BM25": own}, Sampling(), "qa/world")["BM25"])
    assert (mean.low, mean.high) == pytest.approx((drawn.low, drawn.high))
    assert f"{mean.low:.3f} to {mean.high:.3f}" in render(scores.rows)


def test_retrievers_are_compared_over_the_queries_that_both_have():
    ours, theirs = rows({"BM25": {"em": [1, 0, 1]}, "random": {"em": [0, 1]}})
    (one,) = against("random", Scores((ours, theirs)))
    assert (one.difference.n, one.mean.value, one.better, one.worse) == (2, 0.0, 1, 1)


def test_the_pair_is_the_trained_one_and_the_base_unless_named():
    names = {"no retrieval": {"em": [0]}, "BM25": {"em": [1]}, "base encoder": {"em": [0]}}
    assert choose_pair(Scores(rows(names)), None, None) == ("BM25", "base encoder")
    assert choose_pair(Scores(rows(names)), "base encoder", None) == ("base encoder", "BM25")
    trained = Scores(rows(names | {"trained encoder": {"em": [0]}}))
    assert choose_pair(trained, None, None) == ("trained encoder", "base encoder")
    assert choose_pair(trained, None, "BM25") == ("trained encoder", "BM25")
    assert choose_pair(Scores(rows({"BM25": {"em": [1]}})), None, None) is None


def test_harm_counts_what_was_right_alone():
    none, found = {"harm": [0] * 5, "mended": [0] * 5}, {"harm": [1, 0, 0, 0, 0], "mended": [0, 0, 1, 1, 0]}
    (found,) = harms(Scores(rows({"no retrieval": none, "BM25": found})))
    assert (found.counts, found.harmed.value, found.mended.value, found.queries) == ((2, 1), 0.2, 0.4, 5)


def test_answers_that_turned_come_before_likelihoods():
    ours = {"em": [1, 0, 0, 0, 0], "log_likelihood": [-3.0, -1.0, -2.0, -2.0, -5.0]}
    theirs = {"em": [0, 0, 0, 1, 0], "log_likelihood": [-1.0, -2.0, -2.0, -2.5, -3.0]}
    found = changes(Scores(rows({"BM25": ours, "base encoder": theirs})), "BM25", "base encoder", 2)
    gained, lost = ([c.query_id for c in found if c.direction == d] for d in ("gained", "lost"))
    assert gained == ["q0", "q1"]  # q0 turned right, though its likelihood fell; q2 did not change
    assert lost == ["q3", "q4"]
    assert found[1].scores == (("log_likelihood", -2.0, -1.0),)  # what did not change is not shown


def test_shades_leave_the_oracle_out():
    table = {"BM25": {"em": [0, 0]}, "base encoder": {"em": [1, 0]}, "oracle": {"em": [1, 1]}}
    (line,) = heat_map(Scores(rows(table)))
    assert line.cells == [(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)]
    (line,) = heat_map(Scores(rows({"BM25": {"perplexity": [0.5]}, "random": {"perplexity": [1.0]}})))
    assert [shade for _, shade in line.cells] == [1.0, 0.0]


def test_axis_has_round_ticks_and_holds_all_values():
    found = axis([0.0, 0.585])
    assert found.ticks == (0.0, 0.2, 0.4, 0.6)
    assert found.position(0) == 0
    for values in ([-10.03, -3.88], [5.0], [0.0], [-3.0], [1e-9, 2e-9], [1e6, 3e6]):
        found = axis(values)
        assert all(0 <= found.position(value) <= 100 for value in values)
        assert 2 <= len(found.ticks) <= 7


def test_columns_prefer_the_usual_cutoffs():
    many = [f"ndcg@{cutoff}" for cutoff in (1, 3, 5, 10, 100)]
    assert columns([*many, "odd", "recall@100", "em"]) == ["ndcg@5", "ndcg@10", "em", "odd"]


def test_numbers_have_true_minus_signs_and_no_negative_zero():
    assert number(-0.5) == "\N{MINUS SIGN}0.500"
    assert number(-0.0001) == "0.000"
    assert number(0.25, signed=True) == "+0.250"
