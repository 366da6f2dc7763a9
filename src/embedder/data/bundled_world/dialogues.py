"""Dialogues about the world: some ask on with a pronoun, some come back to what was said long before."""

import random
from dataclasses import dataclass
from typing import Any

from embedder.data.bundled_world.facts import Entity
from embedder.data.bundled_world.questions import answer_of

_OPENINGS: dict[str, tuple[str, ...]] = {
    "place": ("Tell me about {name}.", "I am thinking of a trip to {name}."),
    "person": ("Who was {name}?", "I keep reading the name {name}."),
    "work": ("Do you know {name}?", "A friend gave me {name}."),
    "company": ("What do you know about {name}?", "There was an advertisement of {name}."),
    "event": ("I heard about the {name}.", "What was the {name}?"),
    "discovery": ("What is {name}?", "My doctor mentioned {name}."),
}
_ASK_ON: dict[str, dict[str, str]] = {
    "place": {
        "designer": "Who drew the plans for its best known building?",
        "inhabitants": "And how many people live there?",
    },
    "person": {"birthplace": "Where was that person from?", "teacher": "And who taught them?"},
    "work": {"author": "Who made it?", "theme": "And what is it about?"},
    "company": {"founder": "Who started it?", "seat": "And where are they based?"},
    "event": {"leader": "Who was at the head of it?", "cause": "And why did it come to that?"},
    "discovery": {"finder": "Who came upon it?", "found_at": "And where was that?"},
}
_REMARKS: tuple[tuple[str, str, str], ...] = (
    # what is said, what is answered, what is asked much later; the answer is {answer}
    (
        "I finally bought a {thing} in {place}.",
        "Good for you, I hope it lasts.",
        "Where did {speaker} get the {thing}?",
    ),
    (
        "My cousin {friend} is moving to {place} in spring.",
        "You will have to visit.",
        "Where is {speaker}'s cousin going to live?",
    ),
    (
        "I lost my {thing} on the way to {place}.",
        "Oh no, did you go back?",
        "On the way to which town did {speaker} lose the {thing}?",
    ),
    (
        "{friend} taught me to play the {instrument}.",
        "I would love to hear it.",
        "Who showed {speaker} how to make music?",
    ),
    ("We named the new {pet} after {friend}.", "That is a kind thought.", "After whom is {speaker}'s {pet} called?"),
    (
        "I start at {company} on the first of {month}.",
        "Congratulations, that was quick.",
        "Where does {speaker} work now?",
    ),
    ("The doctor told me to give up {food}.", "That will be hard for you.", "What must {speaker} no longer eat?"),
    ("I have begun to read about {theme}.", "Is it any good?", "What is {speaker}'s book about?"),
)
_ANSWERS = ("place", "place", "place", "friend", "friend", "company", "food", "theme")
_SMALL_TALK = (
    ("How was your week?", "Long, but fine."),
    ("It has been raining for days.", "The river is already over the path."),
    ("Did you sleep well?", "Not really, the neighbours had guests."),
    ("I made soup from the rest of the pumpkin.", "Save me a bowl."),
    ("The tram was late again.", "It always is on Mondays."),
    ("I am reading the paper.", "Anything new?"),
    ("Shall we walk to the market?", "Give me ten minutes."),
    ("My knee hurts a little.", "You should rest it."),
)
_WORDS = {
    "thing": ["bicycle", "umbrella", "telescope", "violin case", "raincoat", "camera", "suitcase", "teapot"],
    "instrument": ["cello", "flute", "accordion", "harp", "trumpet", "lute"],
    "pet": ["puppy", "parrot", "kitten", "pony", "tortoise", "goat"],
    "month": ["March", "April", "June", "September", "October", "November"],
    "food": ["smoked fish", "butter", "walnuts", "strong cheese", "plums", "white bread"],
    "theme": ["beekeeping", "old maps", "the tides", "Arctic voyages", "bell founding", "knots"],
}


def searches(entities: list[Entity], seed: int, region: int, n: int) -> list[dict[str, Any]]:
    """Conversational search: a question that only its history makes clear, and its gold passage."""
    generator = random.Random(f"{seed}/searches/{region}")  # noqa: S311  # not for cryptography
    rows = []
    for number, entity in enumerate(generator.sample(entities, min(n, len(entities)))):
        relations = list(_ASK_ON[entity.kind])
        generator.shuffle(relations)
        first, second = relations
        opening = generator.choice(_OPENINGS[entity.kind]).format(name=entity.name)
        history = [
            opening,
            "Gladly. What would you like to know?",
            _ASK_ON[entity.kind][first],
            f"{answer_of(entity, first)}.",
        ]
        question = _ASK_ON[entity.kind][second]
        rows.append(
            {
                "query_id": f"conv-{region}-{number}",
                "query": " ".join([*history, question]),
                "answers": [answer_of(entity, second)],
                "pos": [entity.id],
                "history": history,
                "question": question,
                "dialogue": f"conv-{region}-{number}",
            }
        )
    return rows


@dataclass(frozen=True)
class Chat:
    """A long conversation and the questions that its last day asks about earlier ones."""

    history: dict[str, Any]
    questions: list[dict[str, Any]]


def chat(entities: list[Entity], seed: int, number: int) -> Chat:
    """A conversation of 40 turn pairs in which eight facts are said once among small talk."""
    generator = random.Random(f"{seed}/chat/{number}")  # noqa: S311  # not for cryptography
    people = [entity.name for entity in entities if entity.kind == "person"]
    one, two, *friends = generator.sample(people, 10)
    speakers = (one.split()[0], two.split()[0])
    units: list[str | None] = [None] * 40
    questions: list[dict[str, Any]] = []
    for place, (remark, answer) in zip(
        generator.sample(range(40), len(_REMARKS)), zip(_REMARKS, _ANSWERS, strict=True), strict=True
    ):
        said, replied, asked = remark
        first, second = speakers if generator.random() < 0.5 else speakers[::-1]
        values = {name: generator.choice(words) for name, words in _WORDS.items()}
        values |= {
            "place": generator.choice([entity.name for entity in entities if entity.kind == "place"]),
            "company": generator.choice([entity.name for entity in entities if entity.kind == "company"]),
            "friend": friends[len(questions)],
            "speaker": first,
        }
        units[place] = _unit(place, first, said.format(**values), second, replied)
        questions.append(
            {
                "query_id": f"chat-{number}-{len(questions)}",
                "query": asked.format(**values),
                "answers": [values[answer]],
                "history_id": f"chat-{number}",
                "evidence": [place],
                "type": answer,
            }
        )
    for place, unit in enumerate(units):
        if unit is None:
            said, replied = generator.choice(_SMALL_TALK)
            units[place] = _unit(place, speakers[place % 2], said, speakers[1 - place % 2], replied)
    return Chat({"history_id": f"chat-{number}", "history": units}, questions)


def _unit(day: int, first: str, said: str, second: str, replied: str) -> str:
    return f"[day {day + 1}]\n{first}: {said}\n{second}: {replied}"
