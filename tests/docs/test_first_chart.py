"""The chart of README.md is drawn from its file, and the numbers of the file are those of results.md."""

import re
from dataclasses import replace
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest
from docs.first_chart import DOCS, PICTURE, README, TITLES, Measured, Numbers, links, picture, read, readme_with

RESULTS = (DOCS / "results.md").read_text(encoding="utf-8")
NUMBERS = read()
CELLS = [pytest.param(cell, id=f"{lane.task}, {cell.measure}") for panel in TITLES for lane in NUMBERS.lanes
         if isinstance(cell := lane.cells[panel], Measured)]  # fmt: skip


def test_the_picture_and_the_list_are_those_of_the_file():
    assert picture(NUMBERS) == PICTURE.read_text(encoding="utf-8"), "run python docs/first_chart.py"
    assert readme_with(links(NUMBERS)) == README.read_text(encoding="utf-8"), "run python docs/first_chart.py"


def test_each_scenario_of_the_paper_is_there():
    assert list(dict.fromkeys(lane.scenario for lane in NUMBERS.lanes)) == ["Knowledge", "Memory", "Examples", "Tools"]


@pytest.mark.parametrize("cell", CELLS)
def test_the_numbers_are_those_of_the_results(cell):
    section = section_of(NUMBERS.runs[cell.run]["section"])
    told = [
        [cell.base, cell.trained],
        *([cell.difference] if cell.difference else []),
        *([[cell.alone]] if cell.alone else []),
    ]
    for numbers in told:
        assert any(all(written(number, part) for number in numbers) for part in parts_of(section)), numbers


@pytest.mark.parametrize("run", NUMBERS.runs.values(), ids=NUMBERS.runs)
def test_the_section_has_the_command(run):
    section = section_of(run["section"])
    assert [word for word in [*run["command"].split(), run["commit"]] if word not in section] == []


def section_of(anchor):
    """The text below the heading that GitHub gives this anchor."""
    parts = re.split(r"^#+ (.+)$", RESULTS, flags=re.M)
    named = {
        re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-"): text
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return named[anchor]


def parts_of(section):
    """Rows of tables, and paragraphs."""
    return [
        part
        for paragraph in section.split("\n\n")
        for part in (paragraph.splitlines() if paragraph.startswith("|") else [paragraph])
    ]


def written(number, text):
    """Whether the text has this very number: 0.05 is not in 0.050, and not in -0.05."""
    return re.search(rf"(?<![\d.{'' if number < 0 else '-'}]){re.escape(str(number))}(?![\d]|\.\d)", text) is not None


def test_a_number_is_found_as_it_is_written():
    assert all(written(Decimal(number), "(-0.03, -0.11 to 0.05).") for number in ("-0.03", "-0.11", "0.05"))
    assert not any(written(Decimal("0.05"), text) for text in ("0.050", "-0.05", "10.05", "0.0"))


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [("0.01", "0.03", "good"), ("-0.03", "-0.01", "bad"), ("-0.01", "0.03", "open"), ("0", "0.03", "open")],
)
def test_an_interval_that_contains_0_reaches_the_base_encoder(low, high, kind):
    cell = Measured(
        "r", "nDCG@10", "2 data sets", Decimal("0.50"), Decimal("0.52"), (Decimal("0.02"), Decimal(low), Decimal(high))
    )
    drawn = ET.fromstring(  # noqa: S314  # our own
        picture(
            Numbers(
                {"r": NUMBERS.runs["retrieval"]},
                (replace(NUMBERS.lanes[0], cells={"retrieval": cell, "llm": "not measured <yet>"}),),
            )
        )
    )
    name = {"": "http://www.w3.org/2000/svg"}
    (link,) = drawn.findall("a", name)
    line, base = link.find("line[@class='interval']", name), link.find("circle[@class='base']", name)
    reaches = float(line.get("x1")) <= float(base.get("cx")) <= float(line.get("x2"))
    assert (link.get("class"), reaches) == (kind, kind == "open")
    assert [text.text for text in drawn.findall("text", name) if "yet" in text.text] == ["not measured <yet>"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser, scheme):
    # Relative luminance and contrast: WCAG 2.2; 4.5 is what it asks of small text.
    page = browser.new_page(color_scheme=scheme)
    page.set_content(f"<body>{PICTURE.read_text(encoding='utf-8')}</body>")
    found = page.evaluate(
        """() => { const zero = document.querySelector('svg').getBoundingClientRect();
          return [...document.querySelectorAll('text, tspan')].map(text => {
          const light = rgb => rgb.match(/\\d+/g).slice(0, 3).map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const fill = element => light(getComputedStyle(element).fill);
          const [a, b] = [fill(text), fill(document.querySelector('.card'))].sort((x, y) => y - x);
          const {left, right, top} = text.getBoundingClientRect();
          return [text.textContent, left - zero.left, right - zero.left, top - zero.top, (a + 0.05) / (b + 0.05)];
        })}"""
    )
    page.close()
    assert len(found) > 30
    assert not [text for text, *_, contrast in found if contrast < 4.5]
    columns = ((620, 985), (240, 610), (0, 235))  # of the lanes; the legend is below them
    legend = 82 + 66 * len(NUMBERS.lanes)
    for text, left, right, top, _ in found:
        end = 985 if top >= legend else next(end for begin, end in columns if left >= begin - 10)
        assert right < end, text
