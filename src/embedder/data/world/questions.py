"""Questions about the world, of one and two hops, worded unlike the passages that answer them."""

import random
from dataclasses import dataclass

from embedder.data.world.facts import Entity

_ONE_HOP: dict[str, dict[str, tuple[str, ...]]] = {
    "place": {
        "finished": ("Since when has {name} had its {landmark}?", "What year was the {landmark} at {name} ready?"),
        "material": (
            "What is the {landmark} in {name} built of?",
            "Which material was chosen for {name}'s {landmark}?",
        ),
        "designer": ("Who was the architect of the {landmark} in {name}?", "Whose design is the {landmark} of {name}?"),
        "inhabitants": ("How big is the population of {name}?", "How many residents does {name} have?"),
    },
    "person": {
        "birthplace": ("Where was {name} born?", "Which town did {name} come from?"),
        "profession": ("What did {name} do for a living?", "What was the occupation of {name}?"),
        "teacher": ("Who taught {name}?", "Whose pupil was {name}?"),
        "died": ("When did the life of {name} end?", "In which year did {name} pass away?"),
    },
    "work": {
        "author": ("Who wrote {name}?", "Who is the artist behind {name}?"),
        "published": ("When did {name} first appear?", "What year was {name} released?"),
        "premiere": ("In which town was {name} first shown?", "Where did {name} have its debut?"),
        "theme": ("What is {name} about?",),
    },
    "company": {
        "founder": ("Who set up {name}?", "Who is the founder of {name}?"),
        "founded": ("How old is {name}: in what year was it established?", "When was {name} set up?"),
        "seat": ("Where is {name} based?", "In which town are the headquarters of {name}?"),
        "product": ("What does {name} sell?", "Which goods come from {name}?"),
    },
    "event": {
        "site": ("Where did the {name} happen?", "Which town hosted the {name}?"),
        "year": ("When was the {name}?", "In what year did the {name} occur?"),
        "leader": ("Who led the {name}?", "Who was in command during the {name}?"),
        "cause": ("What was the reason for the {name}?", "Why did the {name} come about?"),
    },
    "discovery": {
        "finder": ("Who discovered {name}?", "To whom do we owe {name}?"),
        "year": ("When was {name} discovered?", "In what year was {name} identified?"),
        "use": ("What is {name} good for?", "What do people do with {name}?"),
        "found_at": ("Near which town was {name} found?", "Where does {name} come from?"),
    },
}
# kind -> (link to the second entity, how the second entity is called in terms of the first)
_BRIDGES: dict[str, tuple[tuple[str, str], ...]] = {
    "place": (("designer", "the designer of {name}'s {landmark}"),),
    "person": (("teacher", "the teacher of {name}"), ("birthplace", "the birthplace of {name}")),
    "work": (("author", "the author of {name}"),),
    "company": (("founder", "the founder of {name}"), ("seat", "the home town of {name}")),
    "event": (("leader", "the leader of the {name}"),),
    "discovery": (("finder", "the discoverer of {name}"),),
}
_SECOND_HOP: dict[str, dict[str, tuple[str, ...]]] = {
    "person": {
        "birthplace": ("In which town was {it} born?", "Where did {it} come from?"),
        "profession": ("What was the profession of {it}?",),
        "died": ("In what year did {it} die?",),
    },
    "place": {
        "material": ("What is the landmark of {it} made of?",),
        "inhabitants": ("How many people live in {it}?",),
    },
}


@dataclass(frozen=True)
class Question:
    """A question, its answer, and the entities whose passages are needed for it, the answering one last."""

    text: str
    answer: str
    path: tuple[Entity, ...]
    relation: str


def all_questions(entities: list[Entity], seed: int, region: int) -> list[Question]:
    """One question for every fact of a region, and one of two hops for every entity, in a random order."""
    generator = random.Random(f"{seed}/questions/{region}")  # noqa: S311  # not for cryptography
    found: list[Question] = []
    for entity in entities:
        for relation, wordings in _ONE_HOP[entity.kind].items():
            text = generator.choice(wordings).format(name=entity.name, **entity.facts)
            found.append(Question(text, answer_of(entity, relation), (entity,), relation))
        link, phrase = generator.choice(_BRIDGES[entity.kind])
        second = entity.links[link]
        relation, wordings = generator.choice(list(_SECOND_HOP[second.kind].items()))
        it = phrase.format(name=entity.name, **entity.facts)
        found.append(
            Question(
                generator.choice(wordings).format(it=it),
                answer_of(second, relation),
                (entity, second),
                f"{link}.{relation}",
            )
        )
    generator.shuffle(found)
    singles = [question for question in found if len(question.path) == 1]
    doubles = [question for question in found if len(question.path) == 2]
    mixed: list[Question] = []
    while doubles and len(singles) >= 2:  # two of one hop for each of two
        mixed += [singles.pop(), singles.pop(), doubles.pop()]
    return mixed + singles + doubles


def answer_of(entity: Entity, relation: str) -> str:
    """The short answer: a fact, or the name of a linked entity."""
    return entity.facts[relation] if relation in entity.facts else entity.links[relation].name
