"""Which queries of a data set are used, which of them are held out, and which part of them one machine labels."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from embedder.checks import check_types
from embedder.data.corpus import Corpus
from embedder.data.examples import choose_examples, solved
from embedder.data.forms.form import Form
from embedder.data.prompts import Prompt
from embedder.data.queries import Queries, first_by_hash, question_of
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.texts import normal_form, text_hash
from embedder.training.task import Task
from embedder.types import Query

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Names the data sets of a task."""

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """At least one; `form` is how they may lie on disk, beside by id."""
        ...


def dataset_pairs(source: Source, tasks: Mapping[str, Task]) -> list[tuple[Task, Dataset]]:
    """All data sets of a task mix, each with its task.

    Raises:
        ConfigError: Two data sets of a task have one name, which would make their scores one.
    """
    found = [(task, dataset) for task in tasks.values() for dataset in source.datasets(task.name, task.form)]
    names = [(task.name, dataset.name) for task, dataset in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError("source.path", "data sets of different names", f"{twice[0][0]}/{twice[0][1]} twice")
    return found


def shown_prompt(task: Task, dataset: Dataset, corpus: Corpus, lender: Dataset | None = None) -> Prompt | None:
    """The prompt with the solved examples that labelling shows.

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
            logger.warning("%s: the LLM is asked without solved examples", where)
            return task.prompt
        logger.info("%s: the solved examples are those of %s/%s", where, task.name, lender.name)
        return shown_prompt(task, lender, Corpus(lender.file("corpus")))
    wanted = task.prompt.examples
    chosen = choose_examples(Queries(dataset.train, corpus), wanted.pool_size, wanted.seed)
    return task.prompt.with_examples(solved(chosen, corpus))


@dataclass(frozen=True)
class Validation:
    """Which training queries are held out.

    Args:
        share: Of the training queries.
        max_queries: At most so many of a data set.
    """

    share: float
    max_queries: int

    def __post_init__(self) -> None:
        check_types(self, "prepare.validation")
        if not 0 < self.share < 1:
            raise ConfigError("prepare.validation.share", "a share between 0 and 1", self.share)
        if self.max_queries < 1:
            raise ConfigError("prepare.validation.max_queries", "1 or more", self.max_queries)

    def size(self, n: int) -> int:
        """How many of `n` queries, two or more, are held out; at least one is left to train on."""
        return min(self.max_queries, n - 1, max(1, round(self.share * n)))


@dataclass(frozen=True)
class Shard:
    """A part of the queries, for labelling on many machines: part `number` (from 1) of `of`."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ConfigError("shard", "a part such as 3/16", f"{self.number}/{self.of}")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """From `3/16`."""
        number, _, of = str(text).partition("/")
        if not (number.isdecimal() and of.isdecimal()):
            raise ConfigError("shard", "a part such as 3/16", text)
        return cls(int(number), int(of))

    def __contains__(self, query: Query) -> bool:
        digest = hashlib.blake2b(f"shard/{query.id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") % self.of == self.number - 1


@dataclass(frozen=True)
class Job:
    """A data set with queries to prepare: what is read, what is held out, how candidates are judged."""

    task: Task
    dataset: Dataset
    corpus: Corpus
    queries: list[Query]
    held_out: set[str]
    skipped: int
    prompt: Prompt | None
    """With its solved examples; None for tasks that no LLM judges."""


def make_job(task: Task, dataset: Dataset, validation: Validation, max_queries: int | None) -> Job:
    """What one data set is prepared from.

    Args:
        task: What it is for.
        dataset: Its files.
        validation: How many queries are held out.
        max_queries: So many queries are taken at most, chosen by a hash of their ids; None for all that the task takes.

    Raises:
        DataError: Too few of its queries have what the objective needs.
        ConfigError: The objective distils rewards and the task has no prompt.
    """
    corpus = Corpus(dataset.file("corpus"))
    source = Queries(dataset.file("train"), corpus)
    # Queries are short: all of them fit in memory.
    most = min(limit or len(source) for limit in (max_queries, task.labelling.max_queries))
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
    held_out = _held_out(usable, examples, validation.size(len(usable)))
    if len(held_out) == len(usable):
        raise DataError(source.path, None, "all usable queries ask the same: nothing is left to train on")
    asked = {question_of(query) for query in usable if query.id in held_out}
    examples = [query for query in examples if question_of(query) not in asked]
    prompt = None if task.prompt is None else task.prompt.with_examples(solved(examples, corpus))
    return Job(task, dataset, corpus, usable, held_out, len(queries) - len(usable), prompt)


def _held_out(queries: list[Query], examples: list[Query], n: int) -> set[str]:
    """Ids of `n` queries, or of some more: those that belong together go the same way.

    Queries of one dialogue or document belong together, since it is what they are compared with; where there are too
    few of these, and everywhere else, those that ask the same do. What the prompt shows is not held out; of a handful
    of queries all may be examples: then one is taken back.
    """
    for group in (_history, question_of):
        shown = {group(query) for query in examples}
        members: dict[int, list[Query]] = {}
        for query in queries:
            if group(query) not in shown:
                members.setdefault(group(query), []).append(query)
        held_out: set[str] = set()
        for name in sorted(members):  # hashes, which fall the same way in every data set and task
            if len(held_out) < n:
                held_out |= {query.id for query in members[name]}
        if held_out and len(held_out) <= len(queries) // 2:
            return held_out
    return held_out or {query.id for query in queries if question_of(query) == question_of(queries[0])}


def _history(query: Query) -> int:
    return question_of(query) if query.among is None else text_hash(query.among[0])


def _with_shared_positives(queries: list[Query]) -> list[Query]:
    """A key that is gold for a query is gold for every query of the same text and keys: never one of its negatives."""
    positives: dict[tuple[str, tuple[str, str] | None], dict[str, None]] = {}
    for query in queries:
        positives.setdefault((normal_form(query.text), query.among), {}).update(dict.fromkeys(query.positives))
    shared = [dict.fromkeys((*query.positives, *positives[normal_form(query.text), query.among])) for query in queries]
    return [
        replace(query, positives=tuple(key_id for key_id in some if key_id not in query.exclude))
        for query, some in zip(queries, shared, strict=True)
    ]


def _is_usable(query: Query, task: Task) -> bool:
    has_answer = any(answer.strip() for answer in query.answers)
    return (has_answer or not task.objective.needs_rewards) and bool(
        query.positives or not task.objective.needs_positives
    )
