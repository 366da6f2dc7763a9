"""Tells the facts of a region in prose: one passage for each entity, 35 to 70 words."""

from collections.abc import Iterator
from random import Random

from embedder.world.entities import Entity
from embedder.world.facts import Fact, Region
from embedder.world.relations import KINDS
from embedder.world.seeds import seeded

_SHORTEST = 35  # words; a closing sentence is added below it
_NOUN_FOR_PRONOUN = 0.3
_PLAIN = 0.7  # share of the facts that are told plainly


def passage_rows(region: Region) -> Iterator[dict[str, str]]:
    """The corpus rows of a region, in the order of its entities."""
    random = seeded(region.seed, region.number, "passages")
    told: list[list[Fact]] = [[] for _ in region.entities]
    for fact in region.facts:
        told[fact.passage].append(fact)
    for entity, facts in zip(region.entities, told, strict=True):
        text = render(region, entity, facts, random)
        yield {"id": region.passage_id(entity.index), "title": entity.name, "text": text}


def render(region: Region, entity: Entity, facts: list[Fact], random: Random) -> str:
    """A passage about an entity: an opening, then the facts in any order."""
    kind = KINDS[entity.kind]
    sentences = [random.choice(kind.intros).format_map(entity.traits)]
    facts = [fact for fact in facts if fact.subject != entity.index or fact.relation != kind.intro_relation]
    random.shuffle(facts)
    sentences += [sentence(region, fact, random) for fact in facts]
    closings = random.sample(kind.closings, len(kind.closings))
    while closings and sum(map(_words, sentences)) < _SHORTEST:
        sentences.append(closings.pop())
    sentences[0] = capitalised(sentences[0])
    return " ".join(sentences)


def sentence(region: Region, fact: Fact, random: Random) -> str:
    """One fact as a sentence of the passage that states it."""
    entity, relation = region.entities[fact.subject], region.relation(fact)
    if fact.passage != fact.subject:
        template = random.choice(relation.told_there)
        subject = entity.mention
        return template.format(s=subject, S=capitalised(subject), o=fact.mention, name=entity.name)
    template = relation.plain if random.random() < _PLAIN else random.choice(relation.statements)
    return statement(entity, template, fact.mention, random)


def statement(entity: Entity, template: str, value: str, random: Random) -> str:
    """A sentence about an entity that was named before."""
    subject, possessive, accusative = entity.pronouns
    noun = f"the {entity.noun}" if random.random() < _NOUN_FOR_PRONOUN else subject
    return template.format(
        S=capitalised(noun),
        s=subject,
        P=capitalised(possessive),
        p=possessive,
        m=accusative,
        o=value,
        O=capitalised(value),
        deed=entity.traits.get("deed"),
    )


def capitalised(text: str) -> str:
    """The text with a capital first letter, the rest unchanged."""
    return text[:1].upper() + text[1:]


def _words(text: str) -> int:
    return text.count(" ") + 1
