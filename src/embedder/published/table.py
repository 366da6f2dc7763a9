"""One table of all benchmarks of a paper, for people and for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from embedder.files import write_atomically
from embedder.published.lines import NONE, Line, Measured, paper_lines
from embedder.published.numbers import Published
from embedder.results.plain_text import markdown_line
from embedder.results.scores import Mean
from embedder.results.table import align

_HEADS = ["benchmark", "retriever", "published", "ours", "95 % interval"]
_PROTOCOL_HEADS = ["questions", "keys", "shown", "LLM", "comparable"]


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
    """The table in Markdown, with what stands behind its words."""
    cells = [
        [
            f"{line.benchmark}, {line.metric}",
            line.retriever,
            NONE if line.published is None else f"{line.published:.3f}",
            NONE if line.ours is None else f"{line.ours.value:.3f}",
            _interval(line.ours),
            *(NONE if number is None else f"{number:,}" for number in (line.questions, line.keys, line.top_k)),
            line.reader or NONE,
            line.comparable,
        ]
        for line in lines
    ]
    notes = [
        f"Published: {markdown_line(published.source)}; LLM: {markdown_line(published.reader or 'see there')}.",
        "Questions, keys of the corpus, keys shown to the LLM and the LLM are those of ours. Only a line that says yes "
        "compares like with like; prompts are this project's own in all of them.",
    ]
    notes += [
        f"- {markdown_line(one.title)}: {markdown_line(one.known_difference)}"
        for one in published.benchmarks.values()
        if one.known_difference is not None
    ]
    return align([_HEADS + _PROTOCOL_HEADS, *cells]) + "\n\n" + "\n".join([*notes[:2], "", *notes[2:]]).rstrip() + "\n"


def lines_as_json(published: Published, lines: Sequence[Line]) -> dict[str, Any]:
    """The same as values of JSON."""
    return {
        "published": {"source": published.source, "reader": published.reader},
        "lines": [asdict(line) | {"comparable": line.comparable} for line in lines],
    }


def _interval(mean: Mean | None) -> str:
    if mean is None or mean.low is None or mean.high is None:
        return NONE
    return f"{mean.low:.3f} to {mean.high:.3f}"
