"""A comparison as Markdown: what differs and how sure that is, then the queries that changed, with their texts."""

from collections.abc import Iterator, Sequence

from embedder.results.answers import Answered
from embedder.results.changed_queries import ChangedQueries, ChangedQuery
from embedder.results.comparison import Comparison, PairComparison
from embedder.results.measures import EXPONENTIAL
from embedder.results.plain_text import markdown_cell, markdown_line
from embedder.results.scores_file import Results
from embedder.results.statistics import ALPHA, LEVEL
from embedder.results.table import BETTER, WORSE, align, count_cell, difference_cells
from embedder.results.verdict import Verdict


def render_comparison(comparison: Comparison, max_shown: int | None = None) -> str:
    """The whole comparison, with at most `max_shown` queries in each direction, or as many as its settings say."""
    most = comparison.settings.max_shown if max_shown is None else min(max_shown, comparison.settings.max_shown)
    one_run = comparison.a is comparison.b
    lines = [
        "# Comparison",
        "",
        *([f"A and B: {_folder(comparison.a)}"] if one_run else []),
        *([] if one_run else [f"A: {_folder(comparison.a)}", "", f"B: {_folder(comparison.b)}"]),
        *(line for text in comparison.warnings for line in ("", f"**Note:** {markdown_line(text, len(text))}.")),
    ]
    for pair in comparison.pairs:
        lines += ["", *_pair(pair)]
    lines += ["", _legend(comparison)]
    for pair in comparison.pairs:
        for changes in pair.changes:
            lines += _changes(pair, changes, comparison, most)
    return "\n".join(lines) + "\n"


def _folder(results: Results) -> str:
    return markdown_line(str(results.folder), 4096)  # a path is cut nowhere


def _pair(pair: PairComparison) -> Iterator[str]:
    yield f"## {markdown_cell(pair.b)} (B) against {markdown_cell(pair.a)} (A)"
    for kind in (pair.datasets, pair.means):
        for scope in dict.fromkeys(verdict.scope for verdict in kind):
            yield ""
            yield _table(scope, [verdict for verdict in kind if verdict.scope == scope])


def _table(scope: str, verdicts: Sequence[Verdict]) -> str:
    needed = any(verdict.needed is not None for verdict in verdicts)
    head = [scope, "A", "B", "difference", f"{LEVEL * 100:.0f} % interval", "p", "better", "worse", "same"]
    rows = [[*_cells(verdict), *([count_cell(verdict.needed)] if needed else [])] for verdict in verdicts]
    return align([[*head, *(["questions needed"] if needed else [])], *rows])


def _cells(verdict: Verdict) -> list[str]:
    found = verdict.difference
    return [
        verdict.metric,
        f"{found.a:.3f}",
        f"{found.b:.3f}",
        *difference_cells(verdict),
        f"{verdict.better:,}",
        f"{verdict.worse:,}",
        f"{found.tied:,}",
    ]


def _legend(comparison: Comparison) -> str:
    datasets = sum(len(pair.datasets) for pair in comparison.pairs)
    means = sum(len(pair.means) for pair in comparison.pairs)
    lines = [
        f"{BETTER} B better, {WORSE} B worse: p < {ALPHA:.2f} in a paired two-sided test (randomisation; McNemar's "
        f"exact test for metrics of 0 and 1), p after Holm's correction for all {datasets}"
        + (f", and apart from them for all {means} means" if means else "")
        + f". Intervals: bootstrap over queries, {comparison.settings.resamples:,} resamples, not corrected."
    ]
    if any(verdict.needed is not None for pair in comparison.pairs for verdict in pair.datasets):
        lines.append(
            "Questions needed: how many it takes to find a difference of the observed size "
            f"(two-sided {ALPHA:g}, power 0.8) "
            "if as large a share of questions changes."
        )
    if means:
        lines.append("Means give each data set of a task, and each task, the same weight, however many queries it has.")
    return "\n".join(lines)


def _changes(pair: PairComparison, changes: ChangedQueries, comparison: Comparison, most: int) -> Iterator[str]:
    unit = " in nats a token" if changes.metric in EXPONENTIAL else ""
    for changed, word in ((changes.better, "better"), (changes.worse, "worse")):
        yield ""
        what = markdown_cell(f"{changes.task}/{changes.dataset}, {changes.metric}{unit}")
        yield f"## {what}: {markdown_cell(pair.b)} (B) {word} than {markdown_cell(pair.a)} (A)"
        yield ""
        if not changed:
            yield "No query."
        for change in changed[:most]:
            yield from _change(pair, changes, change, comparison)
        if (rest := len(changed) - most) > 0:
            yield f"{rest:,} more {'is' if rest == 1 else 'are'} in compare.json."


def _change(
    pair: PairComparison, changes: ChangedQueries, change: ChangedQuery, comparison: Comparison
) -> Iterator[str]:
    in_a = comparison.texts[0].get(changes.address(pair.a, change))
    in_b = comparison.texts[1].get(changes.address(pair.b, change))
    values = f"{change.a:.3f} in A, {change.b:.3f} in B"
    known = in_a or in_b
    if known is None:
        yield f"- {markdown_line(change.query_id)}: {values}"
        return
    yield f"- **{markdown_line(known.query)}** ({markdown_line(change.query_id)}: {values})"
    if known.answers:
        yield f"  - answers: {'; '.join(markdown_line(answer) for answer in known.answers)}"
    if known.gold:
        yield f"  - gold: {', '.join(markdown_line(gold) for gold in known.gold)}"
    for name, side in (("A", in_a), ("B", in_b)):
        yield from _side(name, side)


def _side(name: str, side: Answered | None) -> Iterator[str]:
    if side is None:
        return
    for number, step in enumerate(side.steps, start=1):
        yield f"  - {name}, step {number}: {markdown_line(step)}"
    if side.output is not None:
        yield f"  - {name} wrote: {markdown_line(side.output) or '(nothing)'}"
    for rank, key in enumerate(side.keys, start=1):
        gold = " (gold)" if key.id in side.gold else ""
        yield f"  - {name} retrieved {rank}. {markdown_line(key.id)}{gold}: {markdown_line(key.text)}"
