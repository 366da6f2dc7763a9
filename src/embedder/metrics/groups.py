"""Means of parts of a data set, and the mean of such means."""

from collections.abc import Mapping
from statistics import fmean


def group_means(values: Mapping[str, float], groups: Mapping[str, str]) -> dict[str, float]:
    """The mean of each group, in the order of their names.

    Args:
        values: Of queries, by id.
        groups: Of the same queries or more, by id; those of the group "" are in none.

    Returns:
        Group -> mean.
    """
    members: dict[str, list[float]] = {}
    for query_id, value in values.items():
        if group := groups[query_id]:
            members.setdefault(group, []).append(value)
    return {group: fmean(members[group]) for group in sorted(members)}


def macro_mean(values: Mapping[str, float], groups: Mapping[str, str]) -> float | None:
    """The mean of the means of all groups, so that each counts the same however many queries it has.

    Returns:
        None if no query is in a group.
    """
    means = group_means(values, groups)
    return fmean(means.values()) if means else None
