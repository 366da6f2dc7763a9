"""Test questions that are training questions too: a model that has seen them is not tested by them."""

import logging
from collections.abc import Sequence

from embedder.data.queries import Queries, question_of
from embedder.data.sources import Dataset

logger = logging.getLogger(__name__)


def trained_on(datasets: Sequence[Dataset]) -> dict[Dataset, int]:
    """How many test questions of each data set stand among the training questions of any of them.

    Published records name no test questions. What is found is told in a line for each data set.
    """
    tests = {one: [question_of(query) for query in Queries(one.test)] for one in datasets if one.test is not None}
    wanted = {question for questions in tests.values() for question in questions}
    asked = {
        question
        for path in dict.fromkeys(one.train for one in datasets if one.train is not None and wanted)
        for query in Queries(path)
        if (question := question_of(query)) in wanted
    }
    found = {one: sum(question in asked for question in questions) for one, questions in tests.items()}
    for one, n in found.items():
        if n:
            logger.warning(
                "%s/%s: %d of %d test questions are training questions too: what they score may be remembered",
                one.task,
                one.name,
                n,
                len(tests[one]),
            )
    return found
