"""Long documents: travellers' chronicles that return, many pages later, to facts that they stated before."""

from dataclasses import replace
from random import Random

from embedder.world.entities import Entity
from embedder.world.facts import Fact, Region
from embedder.world.passages import capitalised, render, statement
from embedder.world.phrase_files import phrases
from embedder.world.relations import KINDS
from embedder.world.seeds import seeded

_CHAPTERS = 10
_RECALLS = 20  # in each chapter from the third on, of things two chapters back or more


_PHRASES = phrases("documents")


def document(region: Region, number: int) -> dict[str, str]:
    """A chronicle of a region, about 60 to 80 kB, in the reading order of a journey."""
    random = seeded(region.seed, "document", number)
    traveller = random.choice(region.of_kind("person"))
    order = random.sample(region.entities, len(region.entities))
    told: dict[int, list[Fact]] = {entity.index: [] for entity in order}
    for fact in region.facts:
        told[fact.subject].append(fact)
    size = -(-len(order) // _CHAPTERS)
    parts = [order[start : start + size] for start in range(0, len(order), size)]
    chapters = []
    for i, part in enumerate(parts):
        paragraphs = [_first(region, entity, told[entity.index], random) for entity in part]
        known = [entity for earlier in parts[: max(0, i - 1)] for entity in earlier]
        again = random.sample(known, min(_RECALLS, len(known)))
        paragraphs += [_again(region, entity, told[entity.index], random) for entity in again]
        random.shuffle(paragraphs)
        chapters.append(f"Chapter {i + 1}\n\n" + "\n\n".join(paragraphs))
    return {
        "doc_id": f"world-document-{number}",
        "title": f"{traveller.name}: A Journey through the Valleys of {region.entities[0].name}",
        "domain": "chronicle",
        "text": "\n\n".join(chapters),
    }


def _first(region: Region, entity: Entity, facts: list[Fact], random: Random) -> str:
    """What is stated when the traveller first hears of something."""
    own = [replace(fact, passage=entity.index) for fact in facts]
    return f"{random.choice(_PHRASES.scenes)} {render(region, entity, own, random)}"


def _again(region: Region, entity: Entity, facts: list[Fact], random: Random) -> str:
    """The same facts much later, in other words."""
    sentences = [random.choice(_PHRASES.recalls).format(s=entity.mention)]
    facts = [fact for fact in facts if fact.relation != KINDS[entity.kind].intro_relation or entity.kind == "person"]
    for fact in random.sample(facts, len(facts)):
        template = random.choice(region.relation(fact).statements)
        sentences.append(statement(entity, template, fact.mention, random))
    return " ".join(capitalised(sentence) for sentence in sentences)
