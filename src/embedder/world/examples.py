"""Labelled examples of six small text tasks over the world, all with options."""

from collections.abc import Callable
from random import Random
from typing import Any

from embedder.world.entities import PHRASES, Entity
from embedder.world.facts import Fact, Region
from embedder.world.passages import capitalised, render, statement
from embedder.world.phrase_files import phrases
from embedder.world.questions import ask
from embedder.world.relations import KINDS

_PHRASES = phrases("examples")

Example = tuple[str, list[str], str]
"""Input, options, the right option."""


def example(region: Region, number: int, part: int, random: Random) -> dict[str, Any]:
    """Example `number`: fields task_name, query, options and answers.

    Args:
        region: Where it comes from.
        number: The tasks take turns by it.
        part: 0 to 2; examples of different parts (test, training, corpus) are about different entities.
        random: Source of all choices.
    """
    name, make = _TASKS[number % len(_TASKS)]
    text, options, answer = make(region, [entity for entity in region.entities if entity.index % 3 == part], random)
    return {"task_name": name, "query": text, "options": options, "answers": [answer]}


def contents(row: dict[str, Any]) -> str:
    """An example as a key: the input, a line break, the output."""
    return f"{row['query']}\n{row['answers'][0]}"


def _facts(region: Region, entity: Entity) -> list[Fact]:
    return [fact for fact in region.facts if fact.passage == entity.index and fact.subject == entity.index]


def _passage(region: Region, entity: Entity, random: Random) -> str:
    return render(region, entity, _facts(region, entity), random)


def _of_kind(entities: list[Entity], kind: str, random: Random) -> Entity:
    return random.choice([entity for entity in entities if entity.kind == kind])


def _topic(region: Region, entities: list[Entity], random: Random) -> Example:
    entity = random.choice(entities)
    text = f"{_passage(region, entity, random)}\nWhich section of the encyclopedia does this belong to?"
    return text, list(_PHRASES.sections.values()), _PHRASES.sections[entity.kind]


def _sentiment(region: Region, entities: list[Entity], random: Random) -> Example:
    work = _of_kind(entities, "work", random)
    good = random.random() < 0.5
    verdict, aside = random.choice(_PHRASES.praise if good else _PHRASES.blame), random.choice(_PHRASES.asides)
    said = [f"{capitalised(verdict)}: {work.mention}.", f"As for {work.mention}, {verdict[0].lower() + verdict[1:]}."]
    said[1] = said[1].replace(", i ", ", I ")
    sentences = [random.choice(said), aside]
    random.shuffle(sentences)
    return (
        f"{' '.join(sentences)}\nIs this review positive or negative?",
        ["positive", "negative"],
        ("positive" if good else "negative"),
    )


def _entailment(region: Region, entities: list[Entity], random: Random) -> Example:
    """Does one fact, stated in other words or with another value, follow from the passage?"""
    while True:
        entity = random.choice(entities)
        facts = [fact for fact in _facts(region, entity) if fact.relation != KINDS[entity.kind].intro_relation]
        if facts:
            break
    fact = random.choice(facts)
    value, answer = fact.mention, "yes"
    if random.random() < 0.5:
        value, answer = _other_value(region, fact, random), "no"
    claim = statement(entity, random.choice(region.relation(fact).statements), value, random)
    return f"{_passage(region, entity, random)}\nClaim: {claim}\nDoes the claim follow?", ["yes", "no"], answer


def _other_value(region: Region, fact: Fact, random: Random) -> str:
    """Another answer of the same relation."""
    relation = region.relation(fact)
    if relation.values:
        return random.choice([value for value in relation.values if value != fact.mention])
    if relation.object_kind:
        others = [entity.mention for entity in region.of_kind(relation.object_kind) if entity.index != fact.object]
        return random.choice(others)
    return str(int(fact.answer) + random.choice((-30, -7, 4, 12)))


def _relation(region: Region, entities: list[Entity], random: Random) -> Example:
    """Which of two relations does a passage tell?"""
    while True:
        entity = random.choice(entities)
        told = [fact for fact in _facts(region, entity) if fact.object >= 0]
        if told:
            break
    fact = random.choice(told)
    names = [name for name, relation in KINDS[entity.kind].relations.items() if relation.object_kind]
    other = random.choice([name for name in names if name != fact.relation])
    options = sorted((fact.relation.replace("_", " "), other.replace("_", " ")))
    text = f"{_passage(region, entity, random)}\nWhat is {fact.mention} to {entity.mention}?"
    return f"{text} {options[0]} or {options[1]}?", options, fact.relation.replace("_", " ")


def _question_type(region: Region, entities: list[Entity], random: Random) -> Example:
    fact = random.choice([fact for fact in region.facts if fact.subject % 3 == entities[0].index % 3])
    relation = region.relation(fact)
    text = ask(random.choice(relation.questions), region.entities[fact.subject].mention)
    return f"{text}\nWhat does this question ask for?", list(_PHRASES.asks.values()), _PHRASES.asks[relation.asks]


def _trade(region: Region, entities: list[Entity], random: Random) -> Example:
    person = _of_kind(entities, "person", random)
    others = [noun for noun in PHRASES.trades if noun != person.noun]
    options = sorted({person.noun, *random.sample(others, 3)})
    text = f"In {person.traits['home']}, {person.name} {person.traits['deed']}."
    return f"{text}\nWhat was the trade? {', '.join(options[:-1])} or {options[-1]}?", options, person.noun


_TASKS: tuple[tuple[str, Callable[[Region, list[Entity], Random], Example]], ...] = (
    ("topic", _topic),
    ("sentiment", _sentiment),
    ("entailment", _entailment),
    ("relation", _relation),
    ("question_type", _question_type),
    ("trade", _trade),
)
