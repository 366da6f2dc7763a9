"""Numbers that a paper publishes, with what they were measured by, as far as it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.errors import ConfigError
from embedder.results.measures import is_retrieval
from embedder.results.titles import TITLES


@dataclass(frozen=True)
class Benchmark:
    """One column of a published table; None stands for what the publication does not say.

    Args:
        title: Its name in tables.
        part: The part of the run that measures the same.
        metric: Ours, in the same unit.
        datasets: Names of its data sets; the number is the mean over them.
        counts_parts: Whether parts of the data set (`benchmark.macro`) count the same, and not queries.
        questions: How many it is a mean over.
        keys: About how many keys were searched.
        top_k: Keys that the LLM was shown.
        known_difference: What ours never has in common with it.
    """

    title: str
    part: str
    metric: str
    datasets: Sequence[str] | None = None
    counts_parts: bool = False
    questions: PositiveInt | None = None
    keys: PositiveInt | None = None
    top_k: PositiveInt | None = None
    known_difference: str | None = None

    def check(self, cutoffs: Sequence[int], *, answered: bool) -> None:
        """Refuse settings by which its part would not have its metric.

        Args:
            cutoffs: Of ranking metrics.
            answered: Whether the LLM answers.

        Raises:
            ConfigError: The metric would be missing.
        """
        reason = f"since the part {self.part} is compared by {self.metric} ('~paper.parts.NAME' leaves one out)"
        if not is_retrieval(self.metric):
            if not answered:
                raise ConfigError("run.rag_enabled", f"true, {reason}", answered)
        elif (cutoff := int(self.metric.rpartition("@")[2])) not in cutoffs:
            raise ConfigError("run.cutoffs", f"a list with {cutoff}, {reason}", cutoffs)


@dataclass(frozen=True)
class PublishedRow:
    """The numbers of one retriever.

    Args:
        title: Its name in tables.
        values: By the name of the benchmark.
        row: Ours that it stands beside, as in the setting `rows`; None where there is none.
        encoder: The base encoder: the last part of the name of ours where both are the same.
    """

    title: str
    values: Mapping[str, float]
    row: str | None = None
    encoder: str | None = None


@checked("paper.published")
@dataclass(frozen=True)
class Published:
    """A published table.

    Args:
        source: Where it stands.
        reader: The LLM: the last part of the name of ours where both are the same; None for one that cannot be named.
        benchmarks: Its columns, by name.
        rows: Its rows.
    """

    source: str
    reader: str | None
    benchmarks: Mapping[str, Benchmark]
    rows: Sequence[PublishedRow]

    def __post_init__(self) -> None:
        names = [name for row in self.rows for name in row.values]
        if unknown := [name for name in names if name not in self.benchmarks]:
            raise ConfigError("paper.published.rows", f"values of {list(self.benchmarks)}", unknown[0])
        ours = [row.row for row in self.rows if row.row is not None]
        if wrong := [row for row in ours if row not in TITLES or ours.count(row) > 1]:
            raise ConfigError("paper.published.rows", f"rows of {list(TITLES)}, each once", wrong[0])
