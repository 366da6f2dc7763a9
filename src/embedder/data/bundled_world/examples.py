"""Solved examples of small text tasks over the world: topic, sentiment, entailment, relation and question type."""

import random
from collections.abc import Callable
from typing import Any

from embedder.data.bundled_world.facts import ORDER, Entity
from embedder.data.bundled_world.passages import passage
from embedder.data.bundled_world.questions import all_questions

_PRAISE = [
    "I could not put it down",
    "a rare delight",
    "every minute was worth it",
    "I wept and I laughed",
    "the best evening of the year",
]
_BLAME = [
    "I left before the end",
    "a tedious affair",
    "two hours I will not get back",
    "flat from start to finish",
    "nothing in it is new",
]
_QUESTION_TYPES = {
    "When": "time",
    "In what year": "time",
    "What year": "time",
    "Since when": "time",
    "Where": "place",
    "Which town": "place",
    "In which town": "place",
    "Near which": "place",
    "Who": "person",
    "Whose": "person",
    "To whom": "person",
}

Example = tuple[str, list[str], str]
"""Input, options, the right option."""


def example_row(entities: list[Entity], seed: int, number: int, solved: bool) -> dict[str, Any]:
    """An example of one of the tasks, in turn.

    Args:
        entities: A region.
        seed: Of the world.
        number: Of the example.
        solved: Whether it is shown with its output (a key) or to be answered (a query).
    """
    generator = random.Random(f"{seed}/example/{number}")  # noqa: S311  # not for cryptography
    name, make = list(_TASKS.items())[number % len(_TASKS)]
    text, options, answer = make(entities, generator, seed)
    shown = text + "\nOPTIONS:\n" + "\n".join(f"- {option}" for option in options)
    if solved:
        return {
            "id": f"example-{number}",
            "task_name": name,
            "contents": f"{shown}\n{answer}",
            "answers": [answer],
            "options": options,
        }
    return {"query_id": f"example-{number}", "task_name": name, "query": shown, "options": options, "answers": [answer]}


def _topic(entities: list[Entity], generator: random.Random, seed: int) -> Example:
    entity = generator.choice(entities)
    return f"{passage(entity, generator)}\nWhat is this text about?", list(ORDER), entity.kind


def _sentiment(entities: list[Entity], generator: random.Random, seed: int) -> Example:
    work = generator.choice([entity for entity in entities if entity.kind == "work"])
    good = generator.random() < 0.5
    said = generator.choice(_PRAISE if good else _BLAME)
    return f"{work.name}: {said}.\nWhat does the reviewer think?", ["good", "bad"], "good" if good else "bad"


def _entailment(entities: list[Entity], generator: random.Random, seed: int) -> Example:
    person = generator.choice([entity for entity in entities if entity.kind == "person"])
    other = generator.choice([entity for entity in entities if entity.kind == "person"])
    claimed = generator.choice((person, other)).facts["profession"]
    text = f"{passage(person, generator)}\nDoes it follow that {person.name} was a {claimed}?"
    return text, ["yes", "no"], "yes" if claimed == person.facts["profession"] else "no"


def _relation(entities: list[Entity], generator: random.Random, seed: int) -> Example:
    work = generator.choice([entity for entity in entities if entity.kind == "work"])
    relation = generator.choice(("author", "premiere"))
    text = f"{passage(work, generator)}\nWhat is {work.links[relation].name} to {work.name}?"
    return (
        text,
        ["its author", "the town of its premiere"],
        "its author" if relation == "author" else "the town of its premiere",
    )


def _question_type(entities: list[Entity], generator: random.Random, seed: int) -> Example:
    asked = [question.text for question in all_questions(entities, seed, generator.randrange(1000))[:40]]
    text = generator.choice(asked)
    kind = next((kind for start, kind in _QUESTION_TYPES.items() if text.startswith(start)), "other")
    return f"{text}\nWhat kind of answer is wanted?", ["time", "place", "person", "other"], kind


_TASKS: dict[str, Callable[[list[Entity], random.Random, int], Example]] = {
    "topic": _topic,
    "sentiment": _sentiment,
    "entailment": _entailment,
    "relation": _relation,
    "question_type": _question_type,
}
