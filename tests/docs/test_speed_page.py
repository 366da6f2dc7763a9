"""The page of speed: exponents fitted by hand, its tables, and what a part of the benchmarks replaces."""

import sys

import pytest

from tests.docs.in_docs import ROOT


@pytest.fixture(scope="module")
def benchmarks():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        import all as page
        import exponents

        yield exponents, page
        for name in ("all", "exponents", "growth", "index", "side_by_side"):
            sys.modules.pop(name, None)


def costs(exponents, seconds, *, starts=True):
    return {size: [exponents.Cost(each, size / 100, starts) for each in runs] for size, runs in seconds.items()}


def test_seconds_in_proportion_have_the_exponent_1_whatever_work_start_contains(benchmarks):
    exponents, _ = benchmarks
    # 2 s whatever the size, and 10 ms for each key, of those of the smallest data too.
    seconds = {size: [2 + size / 100] for size in (200, 500, 5000, 50_000)}
    row = exponents.growth("prepare", "keys", costs(exponents, seconds))
    assert (row.exponent, row.error, row.last) == pytest.approx((1.0, 0.0, 1.0), abs=1e-6)
    assert (row.start, row.sizes) == (4.0, [500, 5000, 50_000])
    assert row.seconds == pytest.approx([3.0, 48.0, 498.0])
    assert row.megabytes == pytest.approx([3.0, 48.0, 498.0])


def test_the_smallest_data_have_the_size_that_is_said(benchmarks, tmp_path):
    import growth

    for stage in growth.STAGES.values():
        assert stage.start < stage.smallest
    with pytest.raises(ValueError, match=r"1 x is 5 questions: it has to be more than start, 10"):
        growth.Stage("questions", 10, 5, growth.judge)
    growth.write_exactly(tmp_path, 200, 2, 10)
    lines = {path.stem: len(path.read_text().splitlines()) for path in (tmp_path / "qa").glob("*.jsonl")}
    assert lines == {"corpus": 200, "train": 2, "test": 10}


def test_the_error_is_that_of_least_squares(benchmarks):
    exponents, _ = benchmarks
    # log10 of seconds 0, 1.1, 2 over 1, 2, 3: slope 1; residuals -1/30, 2/30, -1/30, squared 6/900, by 3 - 2, by 2.
    times = {1: [9.0], 10: [1.0], 100: [10**1.1], 1000: [100.0]}
    row = exponents.growth("a step", "records", costs(exponents, times, starts=False))
    assert (row.exponent, row.error, row.last) == pytest.approx((1.0, (6 / 900 / 2) ** 0.5, 0.9))
    assert row.start == 0


def test_what_start_hides_is_not_fitted(benchmarks):
    exponents, page = benchmarks
    # 0.1 s beyond 2 s of start is noise; 1 s and 10 s for 100 and 1,000 keys more are a slope of 1.
    row = exponents.growth("prepare", "keys", costs(exponents, {10: [2.0], 20: [2.1], 110: [3.0], 1010: [12.0]}))
    assert (row.exponent, row.last) == pytest.approx((1.0, 1.0))
    assert row.seconds == pytest.approx([0.1, 1.0, 10.0])
    hidden = exponents.growth("train", "keys", costs(exponents, {1: [2.0], 10: [1.9], 100: [2.1], 1000: [5.0]}))
    assert hidden.seconds == pytest.approx([-0.1, 0.1, 3.0])
    assert page.growth_table([hidden])[-1].endswith("| -100 ms, 100 ms, 3 s | 0, 1, 10 | hidden by start | - | 1 |")


def test_the_page_has_a_line_for_each(benchmarks):
    exponents, page = benchmarks
    row = exponents.Growth("encode", "keys", 0.5, [1000, 10_000], [0.25, 2.5], [3.2, 31.0], 1.0, 0.012, 0.99, 3)
    assert page.growth_table([row])[2:] == [
        "| encode | 1,000, 10,000 keys | 500 ms | 250 ms, 2.5 s | 3, 31 | **1.00** ± 0.01 | 0.99 | 3 |"
    ]


def test_a_section_replaces_the_one_of_its_heading_alone(benchmarks):
    _, page = benchmarks
    before = page.HEAD + "\n## Labelling\nold\n\n## Growth\nold growth\n\n## Of another day\ngone\n"
    after = page.page_with(before, {"Starting": "## Starting\nnew\n", "Growth": "## Growth\nnew growth\n"})
    assert after == page.HEAD + "\n## Labelling\nold\n\n## Starting\nnew\n\n## Growth\nnew growth\n"
    assert page.page_with(after, {}) == after


def test_the_page_is_as_it_was_written(benchmarks):
    _, page = benchmarks
    text = (ROOT / "docs" / "benchmarks-speed.md").read_text(encoding="utf-8")
    assert page.page_with(text, {}) == text
