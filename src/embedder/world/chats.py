"""Long conversations between two people of the world, and questions about something said many days before."""

from dataclasses import dataclass
from random import Random
from typing import Any

from embedder.world.facts import Region
from embedder.world.relations.town import MONTHS
from embedder.world.seeds import seeded
from embedder.world.topics import SMALL_TALK, TOPICS, VALUES

QUESTIONS_PER_CHAT = 10
_FEWEST_PAIRS, _MOST_PAIRS = 20, 60


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation and what is asked about it."""

    history: dict[str, Any]
    questions: list[dict[str, Any]]


def chat(region: Region, number: int) -> Chat:
    """Conversation `number`: 20 to 60 dated turn pairs, of which 14 tell something worth remembering.

    Ten of them are asked about; the others are the same topics from the other speaker's life.
    """
    random = seeded(region.seed, "chat", number)
    people = [entity.name for entity in region.of_kind("person")]
    towns = [entity.name for entity in region.of_kind("town")]
    speakers = _speakers(people, random)
    topics = random.sample(TOPICS, QUESTIONS_PER_CHAT)
    told = [(topic, random.randrange(2)) for topic in topics]
    asked = len(told)
    told += [(topic, 1 - teller) for topic, teller in told[:4]]
    length = random.randrange(_FEWEST_PAIRS, _MOST_PAIRS + 1)
    places = random.sample(range(length), len(told))
    pairs: dict[int, tuple[str, str]] = {}
    questions = []
    taken: set[str] = set()
    for i, ((said, reply, question, slot), teller) in enumerate(told):
        value = _value(slot, people, towns, taken, random)
        me, you = speakers[teller], speakers[1 - teller]
        pairs[places[i]] = (f"{me}: {said.format_map({slot: value})}", f"{you}: {reply}")
        if i < asked:
            questions.append(
                {
                    "query_id": f"world-chat-{number}-{i}",
                    "query": question.format(me=me),
                    "answers": [value],
                    "history_id": f"world-chat-{number}",
                    "evidence": [places[i]],
                    "type": slot,
                }
            )
    history = _dated(pairs, length, speakers, towns, random)
    return Chat({"history_id": f"world-chat-{number}", "history": history}, questions)


def _speakers(people: list[str], random: Random) -> tuple[str, str]:
    """First names of two people, not the same one."""
    one = random.choice(people).split()[0]
    return one, random.choice([name.split()[0] for name in people if not name.startswith(one[:3])])


def _value(slot: str, people: list[str], towns: list[str], taken: set[str], random: Random) -> str:
    """A value that this conversation has not used yet, so that an answer stands in one pair only."""
    values = people if slot == "person" else towns if slot == "town" else VALUES[slot]
    value = random.choice([value for value in values if value not in taken])
    taken.add(value)
    return value


def _dated(
    pairs: dict[int, tuple[str, str]], length: int, speakers: tuple[str, str], towns: list[str], random: Random
) -> list[str]:
    """All turn pairs in order, small talk between those that tell something; some pairs share a day."""
    day, year = random.randrange(300), 1600 + random.randrange(250)
    history = []
    for place in range(length):
        if random.random() < 0.5:
            day += random.randrange(1, 6)
        if place in pairs:
            first, second = pairs[place]
        else:
            one, other = speakers if random.random() < 0.5 else speakers[::-1]
            words = {"n": str(random.randrange(2, 12)), "month": random.choice(MONTHS), "town": random.choice(towns)}
            said, reply = random.choice(SMALL_TALK)
            first, second = f"{one}: {said.format_map(words)}", f"{other}: {reply.format_map(words)}"
        date = f"{day % 30 + 1} {MONTHS[day // 30 % 12]}, {year + day // 360}"
        history.append(f"[{date}]\n{first}\n{second}")
    return history
