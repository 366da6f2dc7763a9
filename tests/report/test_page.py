"""The page in a real browser: it sorts, switches its colours, fits a phone, loads nothing, and shows hostile text."""

import re

import pytest

from embedder.errors import ConfigError, DataError
from embedder.report.page import write_report
from embedder.report.view import ReportSettings
from tests.report.folders import line, row, write_folder

HOSTILE = {
    "script": "<script>window.pwned = 1</script>",
    "end": "</script></style><img src=x onerror='window.pwned = 2'>",
    "image": '"><img src="http://203.0.113.1/x.png" onload="window.pwned = 3">',
    "override": "abc\u202edef",
    "word": "w" * 900,
    "nul": "a\0b",
    "template": "{{ 7 * 7 }}{% raw %}",
}


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory):
    """Three scenarios, five retrievers, and hostile text wherever data can put text."""
    rows, lines = [], []
    for place, (task, dataset) in enumerate((("qa", "nq"), ("qa", HOSTILE["script"]), (HOSTILE["end"], "x" * 300))):
        for number, retriever in enumerate(("no retrieval", "BM25", "base encoder", HOSTILE["image"], "oracle")):
            values = {f"q{i}": float((i * 7 + number * 3 + place) % 5 > 2) for i in range(20)}
            odd = {query: value - 3 for query, value in values.items()}
            scores = {"em": values, "log_likelihood": odd} | ({} if number == 0 else {"ndcg@10": values})
            about = {"prompt": HOSTILE["script"], HOSTILE["end"]: {"nested": [HOSTILE["image"]]}}
            rows.append(row(retriever, scores, task, dataset, **about))
            for i, text in zip(range(20), list(HOSTILE.values()) * 3, strict=False):
                keys = [{"id": text[:50], "score": i / 10, "text": f"{text} key", "location": f"{text}.pdf#page={i}"}]
                told = {"query": text, "answers": [text], "output": text, "steps": [text]}
                where = {"task": task, "dataset": dataset, "gold": [text[:50]], "keys": keys}
                lines.append(line(retriever, f"q{i}", **told, **where))
    return write_folder(tmp_path_factory.mktemp("hostile"), rows, lines)


@pytest.fixture(scope="module")
def written():
    """Pages by folder: each is written once."""
    return {}


@pytest.fixture
def opened(browser, written):
    """Open a folder's page; whatever the browser complains about or asks for is kept."""
    pages = []

    def open_page(folder, settings=None, width=1200, scheme="light"):
        if folder not in written:
            written[folder] = write_report(folder, settings or ReportSettings(examples=20))
        path = written[folder]
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.set_default_timeout(0)  # a busy machine may take long
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()


def column(page, number):
    return page.eval_on_selector_all(
        "#leaderboard .board:first-of-type tbody tr", f"rows => rows.map(row => row.cells[{number}].dataset.value)"
    )


def test_hostile_text_is_text(hostile_folder, opened):
    page = opened(hostile_folder)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate("window.pwned") is None
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    shown = page.locator("#examples").inner_text()
    for text in (HOSTILE["script"], HOSTILE["end"], HOSTILE["image"], HOSTILE["template"]):
        assert text in shown
    assert "abc\u27e8U+202E\u27e9def" in shown
    assert "a\u2400b" in shown
    assert page.complaints == []
    assert [url.partition(":")[0] for url in page.requests] == ["file"]  # the page itself


def test_the_browser_is_told_to_load_nothing(hostile_folder):
    head, body = write_report(hostile_folder).read_text(encoding="utf-8").split("<body>")
    assert not re.search(r"https?://|url\(|@import", head)
    assert not re.search(r"<(link|img|iframe|object|embed|audio|video|form|base)\b", body)
    ids = {f"#{one}" for one in re.findall(r'id="(\w+)"', body)}
    assert {*re.findall(r'<[^>]* (?:src|href)="([^"]*)', body)} <= ids
    assert "default-src 'none'" in head


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_down_only(hostile_folder, opened, scheme):
    page = opened(hostile_folder, width=400, scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.evaluate("window.scrollTo(300, 0), window.scrollX") == 0


def test_a_table_sorts_by_click_and_by_key(world_folder, opened):
    page = opened(world_folder)
    head = page.locator("#leaderboard thead th", has_text="nDCG@10")
    place = head.evaluate("cell => cell.cellIndex")
    head.locator("button").click()
    down = column(page, place)
    numbers = [float(value) for value in down[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 2
    assert down[-1] is None  # no retrieval has none, and comes last
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert column(page, place) == [*reversed(down[:-1]), None]
    assert head.get_attribute("aria-sort") == "ascending"
    words = page.locator("#leaderboard thead th").first
    words.locator("button").click()
    assert head.get_attribute("aria-sort") == "none"
    names = page.eval_on_selector_all("#leaderboard tbody th", "cells => cells.map(cell => cell.innerText)")
    assert [name.split("\n")[0].split(" ")[0] for name in names] == ["BM25", "no", "random"]
    assert page.complaints == []


def test_colours_follow_the_system_and_the_switch(world_folder, opened):
    def background(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light, dark = (opened(world_folder, scheme=scheme) for scheme in ("light", "dark"))
    assert background(light) == "rgb(251, 251, 249)"
    assert background(dark) == "rgb(18, 20, 23)"
    light.get_by_role("button", name="Switch to dark colours").click()
    assert background(light) == background(dark)
    light.reload()
    assert background(light) == background(dark)  # the choice is kept
    light.get_by_role("button", name="Switch to light colours").click()
    assert background(light) == "rgb(251, 251, 249)"


def test_the_page_says_what_the_evaluation_found(world_folder, opened):
    page = opened(world_folder)
    text = page.locator("main").inner_text()
    assert "Without queries.jsonl" not in text
    assert page.locator(".card .who").first.inner_text() == "BM25"
    assert page.locator("#calibration figure").count() == 2
    assert "All scores are equal" in page.locator("#calibration").inner_text()  # of random
    assert page.locator("#examples .side").count() > 0
    assert page.locator("#training").count() == 0
    page.emulate_media(media="print")
    assert page.locator("#theme").is_hidden()


def test_scores_alone_make_a_page(tmp_path, opened):
    values = {"a": 1.0, "b": 0.0, "c": 1.0}
    rows = [row("BM25", {"ndcg@5": values}), row("random", {"ndcg@5": dict.fromkeys(values, 0.0)})]
    folder = write_folder(tmp_path, rows)
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text("step,train/qa/loss\n0,4\n1,3\n2,2.5\n")
    page = opened(folder, ReportSettings(training=str(tmp_path)))
    assert "The folder has no queries.jsonl" in page.locator("#calibration").inner_text()
    assert "No texts" in page.locator("#examples").text_content()
    assert page.locator("#training svg path").count() == 1
    assert page.complaints == []


def test_a_single_row_makes_a_page(tmp_path, opened):
    page = opened(write_folder(tmp_path, [row("BM25", {"em": {"a": 1.0}})]))
    assert "No other retriever was scored" in page.locator("#verdict").inner_text()


def test_rows_of_means_are_left_out_and_their_means_taken(tmp_path):
    own = [row("BM25", {"em": {"a": value, "b": 0.0}}, dataset=name) for name, value in (("nq", 1.0), ("popqa", 0.0))]
    mean = row("BM25", {}, dataset="mean of 2", mean_of={"nq": "1", "popqa": "2"}) | {"mean": {"em": 0.25}}
    page = write_report(write_folder(tmp_path, [*own, mean])).read_text(encoding="utf-8")
    assert "mean over 2 data sets" in page
    assert "0.250" in page
    assert "mean of 2" not in page
    with pytest.raises(DataError, match="no row has values of queries"):
        write_report(write_folder(tmp_path / "means alone", [mean]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"candidate": "bm26"}, "report.candidate: expected one of ['BM25', 'random'], got 'bm26'"),
        ({"baseline": "x"}, "report.baseline: expected one of ['BM25', 'random'], got 'x'"),
        ({"candidate": "BM25", "baseline": "BM25"}, "report.baseline: expected another retriever than the candidate"),
        ({"examples": -1}, "report.examples: expected 0 or more, got -1"),
        ({"examples": "all"}, "report.examples: expected a whole number, got 'all'"),
    ],
)
def test_wrong_settings_are_named(tmp_path, settings, message):
    folder = write_folder(tmp_path, [row("BM25", {"em": {"a": 1.0}}), row("random", {"em": {"a": 0.0}})])
    with pytest.raises(ConfigError, match=re.escape(message)):
        write_report(folder, ReportSettings(**settings))


def test_the_page_begins_with_the_candidate_against_the_baseline_and_says_of_how_many(tmp_path, opened):
    n, names = 40, ["ndcg@5", "ndcg@10", "recall@10", "mrr@10", "em", "log_likelihood"]
    base = {name: {f"q{i}": (i % 10) / 20 for i in range(n)} for name in names}
    base["em"] = {f"q{i}": 0.0 for i in range(n // 2)}
    better = {
        name: {query: value + 0.2 + 0.1 * (i % 2) for i, (query, value) in enumerate(values.items())}
        for name, values in base.items()
    }
    better["em"] = {f"q{i}": float(i == 0) for i in range(n // 2)}  # one question more: within chance
    folder = write_folder(tmp_path, [row("base encoder", base), row("trained encoder", better)])
    for width in (1200, 390):
        page = opened(folder, width=width)
        said = page.locator("#summary .sentence").inner_text()
        told = (
            r"qa: nDCG@10 \+0.250 \(\+0.23\d to \+0.26\d\), better beyond chance over 40 queries; exact match \+0.050"
        )
        assert re.match(told, said), said
        assert "within chance over 20 queries" in said
        assert page.locator("main section").first.get_attribute("id") == "summary"
        box = page.locator("#differences tbody td:visible").first.bounding_box()
        assert box["x"] + box["width"] <= width  # the difference is seen without scrolling
        first = page.locator("#differences tbody th").first.inner_text()
        assert ("nDCG@10" in first) == (width == 390)
        heads = page.locator("#leaderboard thead th:visible")
        assert heads.count() == 5
        assert [text.split("\n")[-1] for text in heads.all_inner_texts()[1:]] == [
            "n = 40",
            "n = 40",
            "n = 20",
            "n = 40",
        ]
        page.locator("#leaderboard .switch input").check()
        assert heads.count() == 7
        assert page.complaints == []
