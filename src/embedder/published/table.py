"""One table of all benchmarks of a paper, for people and for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embedder.files import write_atomically
from embedder.published.lines import Line, Measured, paper_lines
from embedder.published.numbers import Published
from embedder.results.plain_text import markdown_line
from embedder.results.table import NONE, align, count_cell, interval_cell

_HEADS = ["benchmark", "retriever", "published", "ours", "95 % interval", "questions", "keys", "shown", "comparable"]


def write_table(folder: Path, published: Published, measured: Mapping[str, Measured]) -> list[Line]:
    """Write `paper.md` and `paper.json`.

    Args:
        folder: Where they go.
        published: The numbers of the paper.
        measured: By the name of the part; those that were not run are not in it.
    """
    lines = paper_lines(published, measured)
    text = json.dumps(lines_as_json(published, lines), indent=1, ensure_ascii=False)
    write_atomically(folder / "paper.json", text)
    write_atomically(folder / "paper.md", render_paper(published, lines))
    return lines


def render_paper(published: Published, lines: Sequence[Line]) -> str:
    """All numbers, then what ours were measured by, and what stands behind the words, in Markdown."""
    cells = [
        [
            _benchmark(line),
            line.retriever,
            NONE if line.published is None else f"{line.published:.3f}",
            f"{line.ours.value:.3f}",
            interval_cell(line.ours),
            *map(count_cell, (line.questions, line.keys, line.top_k)),
            line.comparable,
        ]
        for line in lines
        if line.ours is not None
    ]
    readers: dict[str, dict[str, None]] = {}  # and the benchmarks that each has answered
    for line in lines:
        if line.reader is not None:
            readers.setdefault(line.reader, {})[line.benchmark] = None
    ours = "; ".join(f"{reader} ({', '.join(of)})" if len(readers) > 1 else reader for reader, of in readers.items())
    notes = [
        f"Published: {markdown_line(published.source)}; LLM: {markdown_line(published.reader or 'see there')}.",
        f"LLM of ours: {markdown_line(ours or NONE)}. Questions, keys of the corpus and keys shown to it are those of "
        "ours. Only a line that says yes compares like with like; prompts are this project's own in all of them.",
    ]
    differences = [
        f"- {markdown_line(one.title)}: {markdown_line(one.known_difference)}"
        for one in published.benchmarks.values()
        if one.known_difference is not None
    ]
    caption = (
        "Ours, and in parentheses the published number. Below, each line says whether the two can be compared. Of a "
        "perplexity, less is better."
    )
    parts = [caption, align(_overview(lines)), align([_HEADS, *cells])]
    return "\n\n".join([*parts, "\n".join(notes), "\n".join(differences)]).rstrip() + "\n"


def _overview(lines: Sequence[Line]) -> list[list[str]]:
    """A row for each retriever, a column for each benchmark."""
    benchmarks = list(dict.fromkeys(map(_benchmark, lines)))
    titles: dict[str, str] = {}  # by the published one, which stands alone where ours was not measured
    numbers: dict[tuple[str, str], str] = {}
    for line in lines:
        published = line.retriever.partition(" / ")[0]
        titles[published] = max(titles.get(published, ""), line.retriever, key=len)
        ours = NONE if line.ours is None else f"{line.ours.value:.3f}"
        beside = "" if line.published is None else f" ({line.published:.3f})"
        numbers[published, _benchmark(line)] = ours + beside
    rows = [[title, *(numbers.get((name, one), NONE) for one in benchmarks)] for name, title in titles.items()]
    return [["retriever", *benchmarks], *rows]


def _benchmark(line: Line) -> str:
    return f"{line.benchmark}, {line.metric}"


def lines_as_json(published: Published, lines: Sequence[Line]) -> dict[str, Any]:
    """The same as values of JSON."""
    return {
        "published": {"source": published.source, "reader": published.reader},
        "lines": [asdict(line) | {"comparable": line.comparable} for line in lines],
    }
