"""Means of parts of a data set."""

import pytest

from embedder.metrics.groups import group_means, macro_mean

VALUES = {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0}


def test_means_of_groups_by_hand():
    groups = {"a": "x", "b": "x", "c": "y", "d": "", "e": "x"}
    assert group_means(VALUES, groups) == {"x": 0.5, "y": 1.0}


def test_a_macro_mean_weighs_groups_not_queries():
    # x holds three queries with mean 2/3, y one with 1: (2/3 + 1) / 2, where the mean over queries is 3/4
    assert macro_mean(VALUES, {"a": "x", "b": "x", "c": "x", "d": "y"}) == pytest.approx(5 / 6)


def test_one_group_is_the_plain_mean_and_none_has_no_mean():
    assert macro_mean(VALUES, dict.fromkeys(VALUES, "x")) == pytest.approx(0.75)
    assert macro_mean(VALUES, dict.fromkeys(VALUES, "")) is None
