"""What the rewards of a file of records look like, as numbers, as text for people, and as warnings."""

import math
import textwrap
from dataclasses import dataclass

from embedder.rewards.distribution import HistogramBin


@dataclass(frozen=True)
class LabelReport:
    """What the rewards of a file of records look like; shares lie in [0, 1] and are None where nothing was counted.

    A query is *compared* if it has two or more candidates, and *contested* if it has a labelled positive and an
    unlabelled candidate. Rewards tie if they are equal numbers.
    """

    n_queries: int
    n_candidates: int
    n_positives: int
    n_compared: int
    n_contested: int
    n_bm25: int
    """Compared queries with a candidate that BM25 ranked."""
    mean: float
    """Of all rewards."""
    quantiles: dict[str, float]
    """`min`, `5`, `25`, `50`, `75`, `95` (percent; the smallest reward that so many do not exceed) and `max`."""
    resolution: float
    """Quantiles (but min and max) and bins are of rewards rounded to multiples of this; 0.001 but for vast ranges."""
    histogram: tuple[HistogramBin, ...]
    mean_gap: float | None
    """Best reward minus second best, mean over compared queries; 0 where the best is shared."""
    all_tie: float | None
    """Share of compared queries whose candidates all earn the same."""
    best_shared: float | None
    """Share of compared queries in which two or more candidates earn the best reward."""
    harmful: float
    """Share of candidates with a negative reward."""
    all_harmful: float
    """Share of queries whose candidates all have negative rewards."""
    positive_is_best: float | None
    """Share of contested queries in which a positive earns more than every unlabelled candidate."""
    positive_shares_best: float | None
    """The same, or as much as the best of them."""
    auc: float | None
    """Probability that a positive earns more than an unlabelled candidate of its query, ties half; mean of queries."""
    mean_positive: float | None
    """Mean reward of positives in contested queries."""
    mean_other: float | None
    """Mean reward of unlabelled candidates in contested queries."""
    others_flat: float | None
    """Share of contested queries with two or more unlabelled candidates whose rewards hardly differ: their spread is at
    most 5 % of the lead of the best positive over the worst of them."""
    positive_harmful: float | None
    """Share of positives with a negative reward."""
    bm25_is_best: float | None
    """Share of queries with candidates ranked by BM25 in which the first of these, labelled or not, earns more than
    every other candidate."""
    bm25_shares_best: float | None
    """The same, or as much as the best of them."""
    warnings: tuple[str, ...]
    """Plain sentences; see `warnings_of`."""

    def render(self) -> str:
        """Plain text for people, at most 100 columns."""
        quantiles = ", ".join(
            f"{name if name in ('min', 'max') else name + ' %'} {_number(value)}"
            for name, value in self.quantiles.items()
        )
        is_whole = all(edges.low == edges.high for edges in self.histogram)
        of_compared = f"of {self.n_compared:,} queries with 2 or more candidates"
        of_contested = f"of {self.n_contested:,} queries with a positive and others"
        lines = [
            f"{self.n_queries:,} queries, {self.n_candidates:,} candidates, {self.n_positives:,} labelled positives",
            "",
            "Rewards (share of candidates, %" + (")" if is_whole else "; each bin is named by its lower end)"),
            *_columns(self.histogram, self.n_candidates),
            f"  mean {_number(self.mean)}; {quantiles}",
            _line("harmful candidates / queries in which all harm", _percent(self.harmful), _percent(self.all_harmful)),
            "",
            f"What there is to learn ({of_compared})",
            _line("best minus second best, mean", _number(self.mean_gap)),
            _line("all candidates tie / the best is shared", _percent(self.all_tie), _percent(self.best_shared)),
            "",
            f"Rewards and labels ({of_contested})",
            _line(
                "a positive is best / shares the best",
                _percent(self.positive_is_best),
                _percent(self.positive_shares_best),
            ),
            _line("a positive earns more than another (AUC)", "-" if self.auc is None else f"{self.auc:.3f}"),
            _line("mean reward of positives / of others", _number(self.mean_positive), _number(self.mean_other)),
            _line("the others hardly differ", _percent(self.others_flat)),
            _line("positives that harm, of all", _percent(self.positive_harmful)),
            _line(
                f"BM25's first is best / shares the best ({self.n_bm25:,})",
                _percent(self.bm25_is_best),
                _percent(self.bm25_shares_best),
            ),
            *([""] if self.warnings else []),
            *(textwrap.fill(f"Warning: {warning}", 100, subsequent_indent="  ") for warning in self.warnings),
        ]
        return "\n".join(lines)


def warnings_of(report: LabelReport) -> tuple[str, ...]:
    """What a user should look at before training.

    - The rewards only repeat the labels: AUC of 0.99 or more, a positive strictly best in 95 % of contested queries or
      more, and the unlabelled candidates hardly differ (see `others_flat`) in 80 % of them or more.
    - Most queries teach nothing: all candidates tie in 50 % of compared queries or more.
    - Labelled positives harm: 20 % of them or more have a negative reward.
    - Labelled positives earn no more than the others: AUC of 0.5 or less, while fewer than half of the queries tie.
    """
    warnings = []
    auc, ties, harm = report.auc, report.all_tie or 0.0, report.positive_harmful or 0.0
    is_best, flat = report.positive_is_best or 0.0, report.others_flat or 0.0
    if auc is not None and auc >= 0.99 and is_best >= 0.95 and flat >= 0.8:
        warnings.append(
            f"the rewards only repeat the labels: a positive is best in {_percent(is_best)} of queries, and the other "
            f"candidates hardly differ in {_percent(flat)}. Training on the labels alone would teach the same."
        )
    if ties >= 0.5:
        warnings.append(f"most queries teach nothing: all candidates tie in {_percent(ties)}.")
    if harm >= 0.2:
        warnings.append(f"{_percent(harm)} of labelled positives harm the LLM: check the prompt or the labels.")
    if auc is not None and auc <= 0.5 and ties < 0.5:
        warnings.append(
            f"labelled positives earn no more than other candidates (AUC {auc:.2f}): check the prompt or the labels."
        )
    return tuple(warnings)


_BLOCKS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 4  # lines


def _columns(histogram: tuple[HistogramBin, ...], total: int) -> list[str]:
    """Bars side by side, their shares below where there is room, and the rewards (lower ends of wide bins)."""
    width = min(8, max(2, 90 // len(histogram)))
    tallest = max(column.count for column in histogram)
    # A bin that is not empty is seen, however small it is.
    eighths = [math.ceil(column.count / tallest * 8 * _HEIGHT) for column in histogram]
    lines = []
    for level in reversed(range(_HEIGHT)):
        cells = [_BLOCKS[min(max(filled - 8 * level, 0), 8)] * (width - 1) for filled in eighths]
        lines.append("  " + " ".join(cells))
    names = [_bin_name(column) for column in histogram]
    if width >= 4:
        shares = [_short_percent(column.count / total) for column in histogram]
        lines.append("  " + "".join(share.center(width - 1) + " " for share in shares))
    every = math.ceil((max(map(len, names)) + 1) / width)
    room = width * every - 1
    labels = [(name.center(room) if width >= 4 else name.ljust(room)) + " " for name in names[::every]]
    lines.append("  " + "".join(labels))
    return [line.rstrip() for line in lines]


def _bin_name(column: HistogramBin) -> str:
    edge = column.high if column.low is None else column.low
    return ("<" if column.low is None else "≥" if column.high is None else "") + f"{edge:g}"


def _short_percent(share: float) -> str:
    percent = 100 * share
    return "" if share == 0 else "<1" if percent < 0.5 else f"{percent:.0f}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{round(value, 3) + 0.0:.3g}"  # + 0.0: no "-0"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _line(name: str, *values: str) -> str:
    return f"  {name:<54}" + " / ".join(f"{value:>7}" for value in values)
