"""The values of the queries of one data set, resampled as their metrics ask."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from embedder.results.measures import EXPONENTIAL, UNBOUNDED, averaged, is_given
from embedder.results.resampling import Column, Sampling, Values, resample
from embedder.results.row import Row

Name = TypeVar("Name", bound=tuple[str, ...])


def columns_of(rows: Sequence[Row], metrics: Sequence[str], sampling: Sampling) -> dict[tuple[str, str], Column]:
    """The values of one data set by (retriever, metric), resampled together; what holds by definition is left out."""
    values = {
        (row.retriever, metric): found
        for row in rows
        for metric in metrics
        if row.per_query.get(metric)
        and not is_given(metric, row.retriever)
        and (found := averaged(metric, row.per_query[metric], row.mean[metric])) is not None
    }
    return resample_metrics(values, sampling, rows[0].task, rows[0].dataset) if values else {}


def resample_metrics(values: Mapping[Name, Values], sampling: Sampling, task: str, dataset: str) -> dict[Name, Column]:
    """Columns of one data set, each drawn as its metric asks.

    Args:
        values: By names that end with the metric.
        sampling: How many resamples, and the seed.
        task: Of the data set.
        dataset: Its name.
    """
    exponential = [name for name in values if name[-1] in EXPONENTIAL]
    unbounded = [name for name in values if name[-1] in UNBOUNDED]
    return resample(values, sampling, f"{task}/{dataset}", exponential, unbounded)
