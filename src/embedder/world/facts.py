"""One region of the world: its entities and the facts between them, each stated in one passage."""

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from embedder.world.entities import Entity, make_entities
from embedder.world.relations import KINDS, Relation
from embedder.world.seeds import seeded

_FACTS_PER_ENTITY = 3  # besides the one in the first sentence
_TOLD_ELSEWHERE = 0.5  # chance that a fact stands in the passage of its object, where there is room
_TRIES = 8  # to find an object of the right time


@dataclass(frozen=True, slots=True)
class Fact:
    """One (subject, relation, object).

    Args:
        subject: Index of the entity.
        relation: Name of the relation.
        answer: The short answer.
        mention: The answer as it stands in running text.
        object: Index of the entity that is the answer, or -1.
        passage: Index of the passage that states it.
    """

    subject: int
    relation: str
    answer: str
    mention: str
    object: int
    passage: int


@dataclass(frozen=True, slots=True)
class Region:
    """Entities and facts of one region; entity i has passage i."""

    seed: int
    number: int
    entities: list[Entity]
    facts: list[Fact]

    def relation(self, fact: Fact) -> Relation:
        """How this fact is stated and asked about."""
        return KINDS[self.entities[fact.subject].kind].relations[fact.relation]

    def of_kind(self, kind: str) -> list[Entity]:
        """All entities of one kind."""
        return [entity for entity in self.entities if entity.kind == kind]

    def passage_id(self, index: int) -> str:
        """Id of a passage in the corpus."""
        return f"world-{self.number}-{index}"

    def split(self, test_share: float) -> tuple[list[Fact], list[Fact]]:
        """Facts that test questions may use, and those for training; all tasks share this split."""
        order = list(self.facts)
        seeded(self.seed, self.number, "split").shuffle(order)
        cut = max(1, round(len(order) * test_share))
        return order[:cut], order[cut:]


@lru_cache(maxsize=2)
def build_region(seed: int, number: int, size: int) -> Region:
    """The region `number` with `size` entities, 100 to 199; a pure function of its arguments."""
    entities = make_entities(seed, number, size)
    return Region(seed, number, entities, _draw_facts(entities, seeded(seed, number, "facts")))


def _draw_facts(entities: list[Entity], random: Random) -> list[Fact]:
    by_kind = {kind: [entity for entity in entities if entity.kind == kind] for kind in KINDS}
    facts: list[Fact] = []
    hosts: set[int] = set()  # passages that tell a fact of another entity; one each, so that they stay short
    for entity in entities:
        kind = KINDS[entity.kind]
        names = [name for name in kind.relations if name != kind.intro_relation]
        random.shuffle(names)
        told, is_away = 0, False
        for name in [kind.intro_relation, *names] if kind.intro_relation else names:
            fact = _fact(entity, name, entities, by_kind, random)
            if fact is None:
                continue
            has_room = kind.relations[name].told_there and fact.object not in hosts
            if has_room and not is_away and random.random() < _TOLD_ELSEWHERE:
                is_away = True  # at most one of its facts, or its own passage would say nothing
                hosts.add(fact.object)
                fact = replace(fact, passage=fact.object)
            facts.append(fact)
            told += name != kind.intro_relation
            if told == _FACTS_PER_ENTITY:
                break
    return facts


def _fact(
    entity: Entity, name: str, entities: list[Entity], by_kind: dict[str, list[Entity]], random: Random
) -> Fact | None:
    """What a relation says of an entity; None if no object fits."""
    relation = KINDS[entity.kind].relations[name]
    if relation.object_kind:
        is_fixed, possible = name in entity.fixed, by_kind[relation.object_kind]
        other = entities[entity.fixed[name]] if is_fixed else _object(entity, relation, possible, random)
        if other is None:
            return None
        return Fact(entity.index, name, other.name, other.mention, other.index, entity.index)
    if relation.values:
        value = random.choice(relation.values)
    else:
        value = str(entity.year) if relation.asks == "year" else entity.traits[name]
    return Fact(entity.index, name, value.removeprefix("a ").removeprefix("an "), value, -1, entity.index)


def _object(entity: Entity, relation: Relation, candidates: list[Entity], random: Random) -> Entity | None:
    """An entity of the right time that the first sentence of the passage does not name."""
    taken = set(entity.fixed.values())
    for _ in range(_TRIES):
        other = random.choice(candidates)
        if other is entity or other.index in taken or other.name in entity.name:
            continue
        if relation.window is None or relation.window[0] <= other.year - entity.year <= relation.window[1]:
            return other
    return None
