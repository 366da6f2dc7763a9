import json
import math
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from embedder.data.records import Records, record_row
from embedder.errors import DataError, EmbedderError
from embedder.rewards import distribution
from embedder.rewards.diagnostics import label_report, report_of
from embedder.rewards.distribution import HistogramBin
from embedder.rewards.label_report import warnings_of
from embedder.rewards.labelled_rows import LabelledRow
from embedder.types import Candidate, Key, Query


def row(positives, others, bm25=None):
    """Gold candidates, and others that BM25 ranked 1, 2, ... or as given."""
    n, m = len(positives), len(others)
    return LabelledRow(
        tuple(map(float, (*positives, *others))),
        (True,) * n + (False,) * m,
        ("gold",) * n + ("bm25",) * m,
        (None,) * n + tuple(bm25 or range(1, m + 1)),
    )


def test_three_queries_by_hand():
    report = report_of(
        [
            row([3], [1, 1, -2]),  # the positive is best alone
            row([2, -1], [2, 0]),  # it shares the best with BM25's first
            row([0], [0, 0, 0]),  # all tie
        ]
    )
    assert (report.n_queries, report.n_candidates, report.n_positives) == (3, 12, 4)
    assert (report.n_compared, report.n_contested, report.n_bm25) == (3, 3, 3)
    assert report.mean == pytest.approx((3 + 1 + 1 - 2 + 2 - 1 + 2) / 12)
    assert report.mean_gap == pytest.approx((2 + 0 + 0) / 3)
    assert report.all_tie == pytest.approx(1 / 3)
    assert report.best_shared == pytest.approx(2 / 3)
    assert report.harmful == pytest.approx(2 / 12)
    assert report.all_harmful == 0.0
    assert report.positive_is_best == pytest.approx(1 / 3)
    assert report.positive_shares_best == 1.0
    # 3 of 3; 2 over (2, 0) wins 1.5, -1 over them 0, so 1.5 of 4; 0 over three zeros wins 1.5 of 3.
    assert report.auc == pytest.approx((1 + 1.5 / 4 + 1 / 2) / 3)
    assert report.mean_positive == pytest.approx((3 + 2 - 1 + 0) / 4)
    assert report.mean_other == pytest.approx((1 + 1 - 2 + 2) / 8)
    assert report.others_flat == pytest.approx(1 / 3)
    assert report.positive_harmful == pytest.approx(1 / 4)
    assert (report.bm25_is_best, report.bm25_shares_best) == (0.0, pytest.approx(2 / 3))
    # In order: -2 -1 0 0 0 0 0 1 1 2 2 3. 25 % of 12 are 3 values, 75 % are 9, 5 % the first, 95 % (11.4) the last.
    assert report.quantiles == {"min": -2, "5": -2, "25": 0, "50": 0, "75": 1, "95": 3, "max": 3}
    counts = {-2: 1, -1: 1, 0: 5, 1: 2, 2: 2, 3: 1}
    assert report.histogram == tuple(HistogramBin(value, value, count) for value, count in counts.items())
    assert report.warnings == ("25.0 % of labelled positives harm the LLM: check the prompt or the labels.",)


def test_the_first_of_bm25_is_the_one_with_the_smallest_rank():
    report = report_of([row([1], [5, 9, 2], bm25=[7, 2, 3]), row([1], [5, 9, 2], bm25=[2, 7, 3])])
    assert (report.bm25_is_best, report.bm25_shares_best) == (0.5, 0.5)


def test_queries_without_labels_are_counted_where_they_can_be():
    report = report_of([row([], [1, -1]), row([], [-3, -2])])
    assert (report.n_positives, report.n_contested, report.n_compared) == (0, 0, 2)
    assert report.all_harmful == 0.5
    assert report.mean_gap == pytest.approx((2 + 1) / 2)
    names = ("auc", "positive_is_best", "positive_shares_best", "mean_positive", "mean_other", "others_flat")
    assert {getattr(report, name) for name in (*names, "positive_harmful")} == {None}
    assert report.warnings == ()


def test_one_candidate_is_not_compared_with_anything():
    report = report_of([row([-1], []), row([], [0.5])])
    assert (report.n_queries, report.n_compared, report.n_contested, report.n_bm25) == (2, 0, 0, 0)
    assert report.mean_gap is report.all_tie is report.auc is report.bm25_is_best is None
    assert (report.harmful, report.all_harmful, report.positive_harmful) == (0.5, 0.5, 1.0)
    assert re.search(r"all candidates tie / the best is shared +- / +-$", report.render(), re.MULTILINE)


def test_no_rewards_are_an_error():
    with pytest.raises(EmbedderError, match="no rewards to report on"):
        report_of([])


def random_rows(whole):
    chance = np.random.default_rng(0)
    for _ in range(200):
        n, m = chance.integers(0, 3), chance.integers(1, 8)
        values = chance.integers(-3, 4, n + m) if whole else chance.normal(0, 1, n + m).round(3)
        yield row(values[:n].tolist(), values[n:].tolist(), bm25=(chance.permutation(m) + 1).tolist())


@pytest.mark.parametrize("whole", [True, False])
def test_agrees_with_a_plain_loop(whole):
    rows = list(random_rows(whole))
    report = report_of(iter(rows))
    values = np.array([reward for some in rows for reward in some.rewards])
    assert report.n_candidates == len(values)
    assert report.mean == pytest.approx(values.mean())
    assert report.harmful == pytest.approx((values < 0).mean())
    for name in ("5", "25", "50", "75", "95"):
        assert report.quantiles[name] == pytest.approx(np.quantile(values, int(name) / 100, method="inverted_cdf"))
    assert (report.quantiles["min"], report.quantiles["max"]) == (values.min(), values.max())
    assert sum(some.count for some in report.histogram) == len(values)
    for some in report.histogram:
        low = -math.inf if some.low is None else some.low - 1e-9
        high = math.inf if some.high is None else some.high - 1e-9
        inside = values == some.low if some.low == some.high else (values >= low) & (values < high)
        assert some.count == inside.sum()

    found = {name: [] for name in ("gap", "tie", "shared", "harm", "best", "shares", "auc", "flat", "bm25", "bm25s")}
    for some in rows:
        rewards, labels = np.array(some.rewards), np.array(some.is_positive)
        ordered = np.sort(rewards)[::-1]
        found["harm"].append((rewards < 0).all())
        if len(rewards) > 1:
            found["gap"].append(ordered[0] - ordered[1])
            found["tie"].append(np.ptp(rewards) == 0)
            found["shared"].append((rewards == ordered[0]).sum() > 1)
            first = some.ranks.index(1)
            found["bm25"].append(rewards[first] > np.delete(rewards, first).max())
            found["bm25s"].append(rewards[first] == ordered[0])
        ours, others = rewards[labels], rewards[~labels]
        if len(ours) and len(others):
            found["best"].append(ours.max() > others.max())
            found["shares"].append(ours.max() >= others.max())
            found["auc"].append(((ours[:, None] > others).mean() + (ours[:, None] >= others).mean()) / 2)
            if len(others) > 1:
                found["flat"].append(np.ptp(others) <= 0.05 * max(0, ours.max() - others.min()))
    assert report.mean_gap == pytest.approx(np.mean(found["gap"]))
    assert report.all_tie == pytest.approx(np.mean(found["tie"]))
    assert report.best_shared == pytest.approx(np.mean(found["shared"]))
    assert report.all_harmful == pytest.approx(np.mean(found["harm"]))
    assert report.positive_is_best == pytest.approx(np.mean(found["best"]))
    assert report.positive_shares_best == pytest.approx(np.mean(found["shares"]))
    assert report.auc == pytest.approx(np.mean(found["auc"]))
    assert report.others_flat == pytest.approx(np.mean(found["flat"]))
    assert (report.bm25_is_best, report.bm25_shares_best) == pytest.approx(
        (np.mean(found["bm25"]), np.mean(found["bm25s"]))
    )


def test_wide_bins_are_round_and_an_outlier_falls_into_the_tail():
    # 0.000, 0.001, ..., 0.999, and -50: nine steps of 0.2 cover 0.01 to 0.99 with room; the outlier stands apart.
    report = report_of([row([], [-50.0])] + [row([], [k / 1000]) for k in range(1000)])
    assert report.histogram[0] == HistogramBin(None, 0.0, 1)
    assert [(some.low, some.high, some.count) for some in report.histogram[1:]] == [
        (pytest.approx(k / 5), pytest.approx((k + 1) / 5), 200) for k in range(5)
    ]


def test_far_apart_whole_numbers_share_bins():
    report = report_of([row([], [k]) for k in range(100)])
    # From the 1st (0) to the 99th percentile (98) in steps of 20.
    assert [(some.low, some.count) for some in report.histogram] == [(20 * k, 20) for k in range(5)]


def test_memory_stays_bounded_and_cells_are_those_of_the_coarser_step(monkeypatch):
    monkeypatch.setattr(distribution, "_MAX_CELLS", 100)
    values = np.random.default_rng(0).normal(0, 1, 5000)
    report = report_of(row([], [value]) for value in values)
    assert report.resolution == pytest.approx(0.125)  # 0.001 x 5 x 5 x 5: no more than 100 cells from -4 to 4
    rounded = np.floor(values / report.resolution + 0.5) * report.resolution
    for name in ("5", "25", "50", "75", "95"):
        # A value in the middle between two cells may be rounded twice, by 0.001 at most.
        assert report.quantiles[name] == pytest.approx(
            np.quantile(rounded, int(name) / 100, method="inverted_cdf"), abs=0.125
        )
        assert abs(report.quantiles[name] - np.quantile(values, int(name) / 100)) < 0.07
    assert (report.quantiles["min"], report.quantiles["max"]) == (values.min(), values.max())


def test_rewards_that_repeat_the_labels_are_named():
    rank = [row([4], [0, 0, 0])] * 19 + [row([4], [0, 1, -1])]
    assert [some.split(":")[0] for some in report_of(rank).warnings] == ["the rewards only repeat the labels"]
    # Log-likelihoods never tie: a spread of 0.2 nats is little below a lead of 5.
    likelihood = [row([5.1], [0.1, 0.2, 0.3])]
    assert "100.0 %" in report_of(likelihood).warnings[0]
    # Others that differ are what the LLM adds to the labels.
    assert report_of([row([4], [0, 1, -1])]).warnings == ()
    # One query of ten in which another is as good: 90 % are strictly best, which is not enough.
    assert report_of([row([4], [0, 0, 0])] * 9 + [row([4], [4, 4, 4])]).warnings == ()


def test_ties_harm_and_labels_that_do_not_help_are_named():
    ties = [row([0], [0, 0]), row([2], [1, 0])]
    assert report_of(ties).warnings == ("most queries teach nothing: all candidates tie in 50.0 %.",)
    harm = [row([-1], [-2, -3])] + [row([3], [1, 0])] * 4
    assert report_of(harm).warnings == ("20.0 % of labelled positives harm the LLM: check the prompt or the labels.",)
    useless = [row([0], [1, 2]), row([2], [1, 3])]
    assert report_of(useless).warnings == (
        "labelled positives earn no more than other candidates (AUC 0.25): check the prompt or the labels.",
    )
    report = report_of(harm)
    assert warnings_of(replace(report, positive_harmful=0.1999)) == ()


def write(path, rewards, **changes):
    gold = Candidate(Key("g", "gold text"), "gold")
    others = [Candidate(Key(str(k), f"text {k}"), "bm25", k, 1.5) for k in (2, 1)]
    values = record_row(Query("q", "a query", ("x",), ("g",)), (gold, *others), "qa") | changes
    values |= {} if rewards is None else {"teacher_scores": rewards}
    path.write_text(json.dumps(values) + "\n", encoding="utf-8")
    return path


def test_what_preparation_writes_is_read(tmp_path):
    report = label_report(Records(write(tmp_path / "train.jsonl", (2.0, -1.0, 3.0)), "qa"))
    assert (report.n_positives, report.auc, report.bm25_is_best) == (1, 0.5, 1.0)
    assert report.mean_positive == 2.0


def test_a_published_file_has_no_sources(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"query": "q", "pos": ["a"], "neg": ["b"], "teacher_scores": [1, 0]}\n')
    report = label_report(Records(path))
    assert (report.n_bm25, report.bm25_is_best, report.positive_is_best) == (0, None, 1.0)


@pytest.mark.parametrize(
    ("rewards", "changes", "message"),
    [
        ((1.0, math.nan, 0.0), {}, r"train\.jsonl:1: .*not finite"),
        ((1.0, 2.0, 0.0), {"neg_source": [["bm25", 1, 2.0]]}, r"train\.jsonl:1: field 'neg_source'"),
        ((1.0, 2.0, 0.0), {"neg_source": [["bm25", "first", 2.0]] * 2}, r"train\.jsonl:1: field 'neg_source'"),
        ((1.0, 2.0, 0.0), {"task": "chat"}, r"train\.jsonl:1: field 'task'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, rewards, changes, message):
    with pytest.raises(DataError, match=message):
        label_report(Records(write(tmp_path / "train.jsonl", rewards, **changes), "qa"))


def test_records_that_are_not_judged_are_not_reported_on(tmp_path):
    path = write(tmp_path / "train.jsonl", None)
    with pytest.raises(EmbedderError, match="no rewards to report on"):
        label_report(Records(path, "qa"))
    judged = write(tmp_path / "judged.jsonl", (2.0, -1.0, 3.0)).read_text()
    path.write_text(path.read_text() + judged)
    assert label_report(Records(path, "qa")).n_queries == 1


@pytest.mark.parametrize("whole", [True, False])
def test_the_text_is_calm(whole):
    report = report_of(random_rows(whole))
    lines = report.render().splitlines()
    assert len(lines) <= 23 + 1 + 2 * len(report.warnings)
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("200 queries, ")


def test_the_text_of_a_small_histogram():
    # One of four earns -1, three earn 2: bars of 4 lines x 8 eighths, the small one ceil(32 / 3) = 11 of them.
    lines = report_of([row([], [-1, 2, 2, 2])]).render().splitlines()
    assert lines[2:9] == [
        "Rewards (share of candidates, %)",
        "                          ███████",
        "                          ███████",
        "  ▃▃▃▃▃▃▃                 ███████",
        "  ███████                 ███████",
        "     25                      75",
        "     -1      0       1       2",
    ]


def test_the_json_is_plain():
    report = report_of([row([1], [0.5])])
    values = json.loads(json.dumps(asdict(report), allow_nan=False))
    assert values["auc"] == 1.0
    assert values["histogram"][0].keys() == {"low", "high", "count"}
    assert values["warnings"] == []
