"""The prompt of a data set with its few-shot examples, as labelling, validation and evaluation show it."""

import logging

from embedder.data.corpus import Corpus
from embedder.data.examples import choose_examples, few_shot_examples
from embedder.data.prompts import Prompt, with_examples
from embedder.data.queries import Queries
from embedder.data.sources import Dataset
from embedder.training.task import Task

logger = logging.getLogger(__name__)


def shown_prompt(task: Task, dataset: Dataset, corpus: Corpus, lender: Dataset | None = None) -> Prompt | None:
    """The prompt with the few-shot examples that labelling shows.

    Args:
        task: What the data set is for.
        dataset: Its files.
        corpus: Its keys.
        lender: Whose training queries are taken where the data set has none, as one that is for tests only; without one
            nothing is shown.
    """
    if task.prompt is None or task.prompt.examples is None or not task.prompt.examples.n:
        return task.prompt
    if dataset.train is None:
        where = f"{task.name}/{dataset.name} has no training queries"
        if lender is None:
            logger.warning("%s: prompts have no few-shot examples", where)
            return task.prompt
        logger.info("%s: the few-shot examples are those of %s/%s", where, task.name, lender.name)
        return shown_prompt(task, lender, Corpus(lender.file("corpus")))
    wanted = task.prompt.examples
    chosen = choose_examples(Queries(dataset.train, corpus), wanted.pool_size, wanted.seed)
    return with_examples(task.prompt, few_shot_examples(chosen, corpus))
