"""Two evaluations are compared metric by metric and query by query, or not at all."""

import json
import logging

import numpy as np
import pytest
from hydra.utils import instantiate

from embedder.app.compare import CompareRun
from embedder.errors import ConfigError, ProtocolError
from embedder.results.comparison import CompareSettings, compare
from embedder.results.comparison_text import render_comparison
from embedder.results.scores_file import read_results
from tests.entry_points import composed
from tests.results.folders import RUN, line, row, write

SETTINGS = CompareSettings(resamples=1000)


def results(directory, rows, **more):
    return read_results(write(directory, rows, **more))


def one_pair(tmp_path, rows_a, rows_b, settings=SETTINGS, title="base encoder"):
    a, b = results(tmp_path / "a", rows_a), results(tmp_path / "b", rows_b)
    return compare(a, b, [(title, title)], settings)


def test_one_data_set_by_hand(tmp_path):
    # Six questions of 20 answered rightly in B alone, one in A alone: McNemar 2 * (1 + 7) / 2^7 = 0.125.
    a = [1.0] + [0.0] * 19
    b = [0.0] + [1.0] * 6 + [0.0] * 13
    found = one_pair(tmp_path, [row("base encoder", {"em": a})], [row("base encoder", {"em": b})])
    (pair,) = found.pairs
    (only,) = pair.datasets
    assert (only.scope, only.metric, only.better, only.worse, only.difference.tied) == ("qa/world", "em", 6, 1, 13)
    assert only.difference.difference == pytest.approx(0.25)
    assert only.p == only.difference.p == pytest.approx(0.125)
    # c = 0.35, d = 0.25: (1.95996 * 0.59161 + 0.84162 * 0.53619)^2 / 0.0625 = 41.5.
    assert only.needed == 42
    assert only.beyond_chance == 0
    assert [change.query_id for change in pair.changes[0].worse] == ["q0"]


def test_lower_perplexity_rank_and_harm_are_better(tmp_path):
    values = {"perplexity": [4.0] * 30, "rank": [4.0] * 30, "harm": [1.0] * 30, "f1": [0.5] * 30}
    less = {metric: [value / 2 for value in some] for metric, some in values.items()} | {"harm": [0.0] * 30}
    found = one_pair(tmp_path, [row("base encoder", values)], [row("base encoder", less)])
    verdicts = {each.metric: (each.beyond_chance, each.better, each.worse) for each in found.pairs[0].datasets}
    assert verdicts == {"f1": (-1, 0, 30), "perplexity": (1, 30, 0), "rank": (1, 30, 0), "harm": (1, 30, 0)}


def test_a_gain_is_not_counted_beside_its_log_likelihood(tmp_path):
    rows = [row("base encoder", {"log_likelihood": [-1.0, -2.0], "gain": [1.0, 0.5]})]
    metrics = [each.metric for each in one_pair(tmp_path, rows, rows).pairs[0].datasets]
    assert metrics == ["log_likelihood"]


def test_what_is_0_by_definition_is_not_compared(tmp_path):
    values = {"log_likelihood": [-1.0, -2.0], "gain": [0.0, 0.0], "harm": [0.0, 0.0]}
    a = results(tmp_path, [row("no retrieval", values), row("BM25", values | {"harm": [1.0, 0.0]})])
    (pair,) = compare(a, a, [("no retrieval", "BM25")], SETTINGS).pairs
    assert [each.metric for each in pair.datasets] == ["log_likelihood"]


def test_p_values_are_corrected_over_pairs_data_sets_and_metrics(tmp_path):
    # Six of six for the better, p = 1/32; four comparisons: 1/8.
    low, high = [0.0] * 20, [1.0] * 6 + [0.0] * 14
    rows_a = [row(name, {"em": low}, dataset=dataset) for name in ("x", "y") for dataset in ("nq", "popqa")]
    rows_b = [row(name, {"em": high}, dataset=dataset) for name in ("x", "y") for dataset in ("nq", "popqa")]
    a, b = results(tmp_path / "a", rows_a), results(tmp_path / "b", rows_b)
    found = compare(a, b, [("x", "x"), ("y", "y")], SETTINGS)
    assert [each.p for pair in found.pairs for each in pair.datasets] == pytest.approx([1 / 8] * 4)


def test_means_over_data_sets_and_tasks_by_hand(tmp_path):
    def rows(title, gains):
        return [
            row(title, {"ndcg@10": [0.1 + gain] * n}, task=task, dataset=dataset)
            for (task, dataset, n), gain in zip(
                [("qa", "nq", 40), ("qa", "popqa", 20), ("tool", "metatool", 30)], gains, strict=True
            )
        ]

    found = one_pair(tmp_path, rows("base encoder", [0, 0, 0]), rows("base encoder", [0.1, 0.3, 0.4]))
    means = {each.scope: each.difference.difference for each in found.pairs[0].means}
    # qa: (0.1 + 0.3) / 2; tasks: (0.2 + 0.4) / 2; the task with one data set is its own mean.
    assert means == pytest.approx({"qa, mean of 2": 0.2, "mean of 2 tasks": 0.3})
    assert all(each.beyond_chance == 1 for each in found.pairs[0].means)


def test_the_mean_of_parts_is_compared(tmp_path):
    def rows(values):
        parts = {"category": {"q0": "nli", "q1": "nli", "q2": "topic"}}
        return [row("base encoder", {"score": values}) | {"parts": parts, "macro": ["category"]}]

    (mean,) = one_pair(tmp_path, rows([0.0, 0.0, 0.0]), rows([1.0, 0.0, 1.0])).pairs[0].means
    assert (mean.scope, mean.difference.difference) == ("qa/world, mean by category", 0.75)


def test_other_protocols_are_refused(tmp_path):
    values = {"em": [0.0, 1.0]}
    with pytest.raises(ProtocolError, match="llm: 'gguf:b179:float32' in A, 'larger' in B"):
        one_pair(tmp_path, [row("base encoder", values)], [row("base encoder", values, llm="larger")])


def test_nothing_in_common_is_refused(tmp_path):
    values = {"em": [0.0, 1.0]}
    with pytest.raises(ConfigError, match=r"a data set and a metric that both have, got 'A: qa/world .* B: qa/nq"):
        one_pair(tmp_path, [row("base encoder", values)], [row("base encoder", values, dataset="nq")])


def test_what_is_left_out_is_told(tmp_path):
    values = {"em": [0.0, 1.0] * 4}
    run_b = RUN | {"environment": RUN["environment"] | {"torch": "2.14.0"}}
    a = results(tmp_path / "a", [row("x", values), row("x", values, dataset="nq"), row("y", values, dataset="nq")])
    b = results(tmp_path / "b", [row("x", values), row("y", values)], run=run_b)
    warnings = " ".join(compare(a, b, [("x", "x"), ("y", "y")], SETTINGS).warnings)
    assert "torch 2.13.0 and 2.14.0" in warnings
    assert "only in A, not compared: qa/nq" in warnings
    assert "not compared: y in A and y in B" in warnings
    assert "fewer than 20 queries in qa/world" in warnings


def test_unknown_metrics_are_refused(tmp_path):
    rows = [row("base encoder", {"em": [0.0, 1.0]})]
    for setting in ("metrics", "by"):
        with pytest.raises(ConfigError, match=rf"compare\.{setting}: expected metrics among \['em'\], got 'nix'"):
            one_pair(tmp_path, rows, rows, CompareSettings(resamples=100, **{setting: ["em", "nix"]}))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_shown": -1}, r"compare\.max_shown: expected 0 or more, got -1"),
        ({"metrics": "em"}, r"compare\.metrics: expected a list"),
        ({"by": []}, r"compare\.by: expected a list"),
        ({"resamples": 10}, r"compare\.resamples: expected 100 or more"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        CompareSettings(**settings)


def test_the_largest_changes_come_first_whatever_the_table_shows(tmp_path):
    a = {"ndcg@1": [0.0, 0.0, 0.0, 1.0], "ndcg@10": [0.5] * 4}
    b = {"ndcg@1": [0.2, 1.0, 0.2, 0.5], "ndcg@10": [0.5] * 4}
    settings = CompareSettings(resamples=100, by=["ndcg@1"])
    pair = one_pair(tmp_path, [row("base encoder", a)], [row("base encoder", b)], settings).pairs[0]
    assert [each.metric for each in pair.datasets] == ["ndcg@1", "ndcg@10"]
    assert [change.query_id for change in pair.changes[0].better] == ["q1", "q0", "q2"]
    assert [change.query_id for change in pair.changes[0].worse] == ["q3"]


def folders_with_texts(tmp_path):
    hostile = "<script>alert(1)</script> [x](y) \x1b[31m \u202eabc"
    lines_a = [
        line("base encoder", "q0", "When was it founded?", [("k9", "A fishmonger.")], "in 1640"),
        line("base encoder", "q1", hostile, [("k8", "long " * 200)], None),
    ]
    lines_b = [
        line(
            "trained encoder",
            "q0",
            "When was it founded?",
            [("k1", "Founded in 1285.")],
            "1285",
            steps=["*who*"],
        ),
        line("trained encoder", "q1", hostile, [("k1", "gold")], ""),
    ]
    a = write(tmp_path / "a", [row("base encoder", {"em": [0.0, 1.0, 1.0]})], queries=lines_a)
    b = write(tmp_path / "b", [row("trained encoder", {"em": [1.0, 0.0, 1.0]})], queries=lines_b)
    return a, b


def test_texts_of_what_changed(tmp_path):
    a, b = (read_results(folder) for folder in folders_with_texts(tmp_path))
    found = compare(a, b, [("base encoder", "trained encoder")], SETTINGS)
    text = render_comparison(found)
    better, worse = text.split("(B) better than")[1].split("(B) worse than")
    assert better.splitlines()[2:9] == [
        "- **When was it founded?** (q0: 0.000 in A, 1.000 in B)",
        "  - answers: 1285",
        "  - gold: k1",
        "  - A wrote: in 1640",
        "  - A retrieved 1. k9: A fishmonger.",
        r"  - B, step 1: \*who\*",
        "  - B wrote: 1285",
    ]
    assert "B retrieved 1. k1 (gold): Founded in 1285." in better
    assert r"\<script\>alert(1)\</script\> \[x\](y)" in worse
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert worse.count("long") == 40
    assert "B wrote: (nothing)" in worse
    assert json.loads(json.dumps(found.as_json()))["pairs"][0]["changes"][0]["better"][0]["in_b"]["output"] == "1285"
    assert "1 more" not in text
    assert "(B) better than base encoder (A)\n\n1 more is in compare.json." in render_comparison(found, 0)


def test_folders_without_texts_are_shown_by_ids(tmp_path):
    rows = [row("base encoder", {"em": [0.0, 1.0]})], [row("base encoder", {"em": [1.0, 0.0]})]
    found = one_pair(tmp_path, *rows)
    assert [warning for warning in found.warnings if "no queries.jsonl" in warning] == [
        f"{tmp_path / name} has no queries.jsonl: its queries are shown by id alone" for name in "ab"
    ]
    assert "- q0: 0.000 in A, 1.000 in B\n" in render_comparison(found)


def action(tmp_path, *overrides):
    config = composed("evaluate", "action=compare", "compare.resamples=500", *overrides)
    config.paths.output_dir = str(tmp_path / "out")
    return instantiate(config.run, _convert_="all").run()


def test_the_action_writes_what_it_found(tmp_path, caplog):
    a, b = folders_with_texts(tmp_path)
    with caplog.at_level(logging.INFO):
        action(tmp_path, f"runs=[{a},{b}]", "baseline=base", "rows=[trained]")
    assert "trained encoder (B) against base encoder (A)" in caplog.text
    assert "When was it founded?" in (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    written = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert [pair["b"] for pair in written["pairs"]] == ["trained encoder"]


def test_within_one_run_every_row_is_held_against_the_baseline(tmp_path):
    generator = np.random.default_rng(0)
    rows = [row(name, {"ndcg@10": list(generator.random(30))}) for name in ("random", "BM25", "base encoder")]
    found = action(tmp_path, f"runs=[{write(tmp_path / 'a', rows)}]", "baseline='base encoder'")
    assert [(pair.a, pair.b) for pair in found.pairs] == [("base encoder", "random"), ("base encoder", "BM25")]


@pytest.mark.parametrize(
    ("runs", "rows", "baseline", "message"),
    [
        ([], None, None, r"runs: expected one or two folders"),
        ("a", None, None, r"runs: expected one or two folders"),
        (["A"], None, None, r"baseline: expected a row that the others of the one run are held against"),
        (["A"], None, "bsae", r"baseline: expected rows of A \(.*\), which are \['bm25'\], got 'bsae'"),
        (["A"], None, "bm25", r"rows: expected a row of B other than the baseline"),
        (["A", "A"], ["trained"], None, r"rows: expected rows of B .*, got 'trained'"),
        (["A", "A"], "trained", None, r"rows: expected a list of rows"),
    ],
)
def test_runs_and_rows_that_cannot_work_are_refused(tmp_path, runs, rows, baseline, message):
    folder = str(write(tmp_path / "a", [row("BM25", {"em": [0.0, 1.0]})]))
    named = runs if isinstance(runs, str) else [folder for _ in runs]
    with pytest.raises(ConfigError, match=message):
        CompareRun(named, rows, baseline, SETTINGS, str(tmp_path / "out")).run()
