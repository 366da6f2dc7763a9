"""Test questions that are training questions too: their scores do not show how a model does on new questions."""

import logging
from collections.abc import Sequence

from embedder.data.queries import Queries, question_of
from embedder.data.sources import Dataset

logger = logging.getLogger(__name__)


def trained_on(datasets: Sequence[Dataset]) -> dict[Dataset, int]:
    """How many test questions of each data set are also training questions of any of the data sets.

    Published records have no test questions. A line in the log names each data set that has such questions.
    """
    tests = {
        dataset: [question_of(query) for query in Queries(dataset.test)]
        for dataset in datasets
        if dataset.test is not None
    }
    tested = {question for questions in tests.values() for question in questions}
    trained = {
        question
        for path in dict.fromkeys(dataset.train for dataset in datasets if dataset.train is not None and tested)
        for query in Queries(path)
        if (question := question_of(query)) in tested
    }
    n_trained = {dataset: sum(question in trained for question in questions) for dataset, questions in tests.items()}
    for dataset, n in n_trained.items():
        if n:
            logger.warning(
                "%s/%s: %d of %d test questions are training questions too, so the trained model may have memorised "
                "them",
                dataset.task,
                dataset.name,
                n,
                len(tests[dataset]),
            )
    return n_trained
