"""A data set with queries to prepare: which queries train, which validate, and what the LLM reads."""

from dataclasses import dataclass, replace

from embedder.data.corpus import Corpus
from embedder.data.examples import choose_examples, few_shot_examples
from embedder.data.prompts import Prompt, with_examples
from embedder.data.queries import Queries, first_by_hash, question_of
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.preparation.validation import Validation, held_out_ids
from embedder.texts import normal_form
from embedder.training.task import Task
from embedder.types import Query


@dataclass(frozen=True)
class Job:
    """A data set with queries to prepare: what is read, what validates, how candidates are judged."""

    task: Task
    dataset: Dataset
    corpus: Corpus
    queries: list[Query]
    held_out: set[str]
    skipped: int
    prompt: Prompt | None
    """With its few-shot examples; None for tasks that no LLM judges."""


def make_job(
    task: Task, dataset: Dataset, corpus: Corpus, validation: Validation, max_train_queries: int | None
) -> Job:
    """What one data set is prepared from.

    Args:
        task: What it is for.
        dataset: Its files.
        corpus: Its keys.
        validation: How many queries are used for validation.
        max_train_queries: So many are taken at most, chosen by a hash of their ids; None for all that the task takes.

    Raises:
        DataError: Too few of its queries have what the objective needs.
        ConfigError: The objective distils rewards and the task has no prompt.
    """
    source = Queries(dataset.file("train"), corpus)
    # Queries are short: all of them fit in memory.
    most = min(limit or len(source) for limit in (max_train_queries, task.labelling.max_train_queries))
    queries = _with_shared_positives(first_by_hash(source, most, "train"))
    usable = [query for query in queries if _is_usable(query, task)]
    if len(usable) < 2:
        needed = "'answers'" if task.objective.needs_rewards else "'pos'"
        raise DataError(
            source.path,
            None,
            f"{len(usable)} of {len(queries)} queries have {needed}, which the objective of task {task.name!r} "
            "needs; two or more are needed, one of them to hold out",
        )
    if task.objective.needs_rewards and task.prompt is None:
        raise ConfigError(f"tasks.{task.name}.prompt", "a prompt, since the objective distils rewards of the LLM", None)
    wanted = None if task.prompt is None else task.prompt.examples
    examples = [] if wanted is None else choose_examples(source, wanted.pool_size, wanted.seed)
    held_out = held_out_ids(usable, examples, validation.size(len(usable)))
    if len(held_out) == len(usable):
        raise DataError(source.path, None, "all usable queries ask the same: nothing is left to train on")
    held_out_questions = {question_of(query) for query in usable if query.id in held_out}
    examples = [query for query in examples if question_of(query) not in held_out_questions]
    prompt = None if task.prompt is None else with_examples(task.prompt, few_shot_examples(examples, corpus))
    return Job(task, dataset, corpus, usable, held_out, len(queries) - len(usable), prompt)


def _with_shared_positives(queries: list[Query]) -> list[Query]:
    """A key that is gold for a query is gold for every query of the same text and keys: never one of its negatives."""
    positives: dict[tuple[str, tuple[str, str] | None], dict[str, None]] = {}
    for query in queries:
        positives.setdefault((normal_form(query.text), query.among), {}).update(dict.fromkeys(query.positives))
    shared = [dict.fromkeys((*query.positives, *positives[normal_form(query.text), query.among])) for query in queries]
    return [
        replace(query, positives=tuple(key_id for key_id in key_ids if key_id not in query.exclude))
        for query, key_ids in zip(queries, shared, strict=True)
    ]


def _is_usable(query: Query, task: Task) -> bool:
    has_answer = any(answer.strip() for answer in query.answers)
    return (has_answer or not task.objective.needs_rewards) and bool(
        query.positives or not task.objective.needs_positives
    )
