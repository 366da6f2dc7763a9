"""A data set with queries to prepare: which train, which validate, which the LLM judges, and what it reads."""

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from functools import cached_property

from embedder.data.corpus import Corpus
from embedder.data.examples import choose_examples, few_shot_examples
from embedder.data.prompts import Prompt, with_examples
from embedder.data.queries import Queries, first_by_hash, question_of
from embedder.data.sources import Dataset
from embedder.errors import ConfigError, DataError
from embedder.preparation.validation import Validation, held_out_ids
from embedder.texts import normal_form
from embedder.training.budget import Budget
from embedder.training.task import Task
from embedder.types import Query

UNUSABLE = "neither labels nor answers that the objective could train on"
BEYOND = "beyond the budget of the LLM, and without labels that the objective could train on"


@dataclass(frozen=True)
class Job:
    """A data set with queries to prepare: what is read, what validates, how candidates are judged."""

    task: Task
    dataset: Dataset
    corpus: Corpus
    queries: list[Query]
    """In the order of a hash of their ids."""
    held_out: set[str]
    judged: frozenset[str]
    """Ids of the queries that the LLM judges, the others train on their labels alone; of an open budget, all that it
    may reach."""
    skipped: Counter[str]
    """How many queries of the data set are left out, by reason."""
    prompt: Prompt | None
    """With its few-shot examples; None for tasks that no LLM judges."""
    validation: Validation
    examples: list[Query]
    """Those few-shot examples, which never validate."""

    @property
    def to_judge(self) -> list[Query]:
        """The queries that the LLM judges, in the order in which it does."""
        return [query for query in self.queries if query.id in self.judged]

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Ids of those whose text an earlier one has."""
        first = {query.text: query.id for query in reversed(self.to_judge)}
        return frozenset(query.id for query in self.to_judge if first[query.text] != query.id)

    def spent(self, judged: Set[str]) -> "Job":
        """The same job once an open budget is spent: what was not reached trains on its labels or is left out.

        Raises:
            DataError: Too little is left.
        """
        kept, skipped = _within_budget(self.queries, judged, self.task)
        shown = set(map(question_of, self.examples))
        free = [query for query in kept if question_of(query) not in shown]
        held_out = (
            held_out_ids(free, self.examples, self.validation.size(len(kept)))
            if min(len(free), len(kept) - 1) > 0
            else set()
        )
        if not 0 < len(held_out) < len(kept):
            message = f"{len(kept)} queries are labelled or were judged within the budget: more are needed"
            raise DataError(self.dataset.file("train"), None, message)
        return replace(self, queries=kept, held_out=held_out, judged=frozenset(judged), skipped=self.skipped + skipped)


def make_job(
    task: Task,
    dataset: Dataset,
    corpus: Corpus,
    validation: Validation,
    max_train_queries: int | None,
    budget: Budget = Budget(),  # noqa: B008  # frozen
) -> Job:
    """What one data set is prepared from.

    Args:
        task: What it is for.
        dataset: Its files.
        corpus: Its keys.
        validation: How many queries are used for validation.
        max_train_queries: So many are used at most, chosen by a hash of their ids; None for all that the task takes.
        budget: How many of these the LLM judges.

    Raises:
        DataError: Too few of its queries have what a loss of the objective needs.
        ConfigError: The objective distils rewards and the task has no prompt.
    """
    source, skipped = Queries(dataset.file("train"), corpus), Counter[str]()
    # Queries are short: all of them fit in memory.
    most = task.labelling.most(max_train_queries)
    drawn = first_by_hash(_usable(source, task, skipped), len(source) if most is None else most, "train")
    answered = [query.id for query in drawn if task.objective.needs_rewards and _has_answer(query)]
    judged = frozenset(answered[: budget.queries])
    usable, beyond = _within_budget(_with_shared_positives(drawn), judged, task)
    if len(usable) < 2:
        needs = {"'pos'": task.objective.needs_positives, "'answers'": task.objective.needs_rewards}
        needed = " or ".join(name for name, is_needed in needs.items() if is_needed)
        raise DataError(
            source.path,
            None,
            f"{len(usable)} of {len(source)} queries have {needed}, which the objective of task {task.name!r} "
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
    return Job(task, dataset, corpus, usable, held_out, judged, skipped + beyond, prompt, validation, examples)


def _usable(queries: Iterable[Query], task: Task, skipped: Counter[str]) -> Iterator[Query]:
    """The queries that a loss of the objective could apply to; the others are counted."""
    for query in queries:
        if task.objective.applies_to(labelled=bool(query.positives), judged=_has_answer(query)):
            yield query
        else:
            skipped[UNUSABLE] += 1


def _within_budget(queries: Iterable[Query], judged: Set[str], task: Task) -> tuple[list[Query], Counter[str]]:
    """The queries that a loss applies to if the LLM judges no others, and how many are left out."""
    kept, skipped = [], Counter[str]()
    for query in queries:
        if task.objective.applies_to(labelled=bool(query.positives), judged=query.id in judged):
            kept.append(query)
        else:
            skipped[BEYOND] += 1
    return kept, skipped


def _has_answer(query: Query) -> bool:
    return any(answer.strip() for answer in query.answers)


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
