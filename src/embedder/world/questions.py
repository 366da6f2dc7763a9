"""Questions of one and two hops about a region, worded unlike its passages."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from random import Random

from embedder.world.entities import Entity
from embedder.world.facts import Fact, Region
from embedder.world.passages import capitalised
from embedder.world.relations import KINDS, Relation

_ROUNDS = 4  # times that the facts are gone through, for other wordings, where there are few of them
_BY_NAME = 0.4  # share of the subjects called by name; the others are described
_PLAIN = 0.5  # share of the questions in the plainest wording, the first one of a relation


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the facts that lead to its answer, the last of which holds it."""

    text: str
    facts: tuple[Fact, ...]
    region: Region

    @property
    def answers(self) -> list[str]:
        """The short answer first, then longer forms that the passage uses."""
        last = self.facts[-1]
        return [last.answer] if last.mention.strip('"') == last.answer else [last.answer, last.mention]

    @property
    def positives(self) -> list[str]:
        """Ids of the gold passages, one a hop."""
        return list(dict.fromkeys(self.region.passage_id(fact.passage) for fact in self.facts))

    @property
    def type(self) -> str:
        """The relations on the way, such as `teacher > birthplace`."""
        return " > ".join(fact.relation for fact in self.facts)


def one_hop(region: Region, facts: list[Fact], random: Random) -> Iterator[Question]:
    """Questions about single facts, each fact once in random order."""
    for fact in random.sample(facts, len(facts)):
        relation = region.relation(fact)
        described = describe(region.entities[fact.subject], fact.relation, random)
        text = ask(_wording(relation, random), described)
        if not _gives_away(text, fact):
            yield Question(text, (fact,), region)


def two_hops(region: Region, facts: list[Fact], random: Random) -> Iterator[Question]:
    """Questions whose subject is the object of another fact, each chain once in random order."""
    by_subject: dict[int, list[Fact]] = {}
    for fact in facts:
        by_subject.setdefault(fact.subject, []).append(fact)
    chains = [
        (first, second)
        for first in facts
        if region.relation(first).phrases
        for second in by_subject.get(first.object, ())
        if second.object != first.subject and second.passage != first.passage
    ]
    random.shuffle(chains)
    for first, second in chains:
        described = describe(region.entities[first.subject], first.relation, random)
        bridge = ask(random.choice(region.relation(first).phrases), described, capital=False)
        text = ask(_wording(region.relation(second), random), bridge)
        if not _gives_away(text, second):
            yield Question(text, (first, second), region)


def mixed_questions(region: Region, facts: list[Fact], count: int, first: int, random: Random) -> list[Question]:
    """`count` different questions, every third of two hops as far as there are enough.

    Args:
        region: What is asked about.
        facts: Those that may be used.
        count: Number of questions.
        first: Number of the first one in the whole world; it decides which questions have two hops.
        random: Source of all choices.

    Raises:
        ValueError: The facts do not yield so many questions.
    """
    singles, doubles = one_hop(region, facts, random), two_hops(region, facts, random)
    result: dict[str, Question] = {}
    for question in islice(doubles, sum(number % 3 == 2 for number in range(first, first + count))):
        result[question.text] = question
    again = (question for _ in range(_ROUNDS) for question in one_hop(region, facts, random))
    for question in chain(singles, doubles, again):
        if len(result) >= count:
            break
        result.setdefault(question.text, question)
    if len(result) < count:
        raise ValueError(f"region {region.number} has no {count} questions over {len(facts)} facts")
    return list(result.values())


def describe(entity: Entity, relation: str, random: Random) -> str:
    """Name or description of the subject of a question; a description never tells the answer."""
    gives_away = relation == KINDS[entity.kind].intro_relation
    if gives_away or random.random() < _BY_NAME:
        return entity.mention
    return random.choice(entity.descriptions)


def ask(template: str, subject: str, *, capital: bool = True) -> str:
    """The template about a subject in any grammatical case but the possessive."""
    text = template.format(s=subject, m=subject)
    return capitalised(text) if capital else text


def _wording(relation: Relation, random: Random) -> str:
    return relation.questions[0] if random.random() < _PLAIN else random.choice(relation.questions)


def _gives_away(text: str, fact: Fact) -> bool:
    return fact.answer.lower() in text.lower()
