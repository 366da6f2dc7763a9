"""Questions about the world, of one and two hops, worded unlike the passages that answer them."""

import random
from dataclasses import dataclass

from embedder.data.bundled_world.facts import Entity

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


# How an entity is called by those who have forgotten its name; used where it fits one entity of the region only.
_DESCRIPTIONS: dict[str, tuple[str, ...]] = {
    "place": ("the town where {designer} left a {landmark}", "the town with the {material} {landmark} by {designer}"),
    "person": ("the {profession} from {birthplace}", "the {profession} whom {teacher} trained"),
    "work": ("the {form} first seen at {premiere}", "{author}'s {form}"),
    "company": ("the firm in {seat} that deals in {product}", "the business that {founder} began"),
    "event": ("the {days} of unrest at {site}", "what {leader} set going at {site}"),
    "discovery": ("the {kind} from the hills near {found_at}", "the {kind} that {finder} described"),
}
_ABOUT_DESCRIBED: dict[str, dict[str, str]] = {
    "place": {"finished": "Since what year has it stood in {it}?", "designer": "Who planned the landmark of {it}?"},
    "person": {"died": "When did {it} die?", "studied": "Where was {it} educated?", "born": "When was {it} born?"},
    "work": {"published": "From what year is {it}?", "author": "Who made {it}?", "theme": "What does {it} deal with?"},
    "company": {"founded": "Since when is there {it}?", "staff": "How many people work for {it}?"},
    "event": {"year": "In which year fell {it}?", "cause": "What lay behind {it}?"},
    "discovery": {"year": "When was {it} first noticed?", "use": "What purpose has {it}?"},
}


@dataclass(frozen=True)
class Question:
    """A question, its answer, and the entities whose passages are needed for it, the answering one last."""

    text: str
    answer: str
    path: tuple[Entity, ...]
    relation: str


def all_questions(entities: list[Entity], seed: int, region: int) -> list[Question]:
    """Questions about every entity of a region by name, by description and over two hops, in a random order."""
    generator = random.Random(f"{seed}/questions/{region}")  # noqa: S311  # not for cryptography
    found: list[Question] = []
    for entity in entities:
        for relation, wordings in _ONE_HOP[entity.kind].items():
            text = generator.choice(wordings).format(name=entity.name, **entity.facts)
            found.append(Question(text, answer_of(entity, relation), (entity,), relation))
        if (it := _description(entity, entities, generator)) is not None:
            for relation, wording in _ABOUT_DESCRIBED[entity.kind].items():
                answer = answer_of(entity, relation)
                if answer not in it:
                    found.append(Question(wording.format(it=it), answer, (entity,), f"described.{relation}"))
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


def _description(entity: Entity, entities: list[Entity], generator: random.Random) -> str | None:
    """A description that fits this entity and no other of its region, or None if none does."""

    def words(described: Entity, template: str) -> str:
        return template.format(**described.facts, **{name: other.name for name, other in described.links.items()})

    templates = list(_DESCRIPTIONS[entity.kind])
    generator.shuffle(templates)
    for template in templates:
        text = words(entity, template)
        if sum(other.kind == entity.kind and words(other, template) == text for other in entities) == 1:
            return text
    return None


def answer_of(entity: Entity, relation: str) -> str:
    """The short answer: a fact, or the name of a linked entity."""
    return entity.facts[relation] if relation in entity.facts else entity.links[relation].name
