"""Long conversations between two people of the world, and questions about something said many days before."""

from dataclasses import dataclass
from random import Random
from typing import Any

from embedder.world.facts import Region
from embedder.world.phrase_files import phrases
from embedder.world.relations import MONTHS
from embedder.world.seeds import seeded

QUESTIONS_PER_CHAT = 10
_TOLD_BY_BOTH = 4  # topics that come up again, from the other speaker's life
_FEWEST_PAIRS, _MOST_PAIRS = 20, 60


_PHRASES = phrases("chats")


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
    news = [(topic, random.randrange(2)) for topic in random.sample(_PHRASES.topics, QUESTIONS_PER_CHAT)]
    news += [(topic, 1 - teller) for topic, teller in news[:_TOLD_BY_BOTH]]
    length = random.randrange(_FEWEST_PAIRS, _MOST_PAIRS + 1)
    positions = random.sample(range(length), len(news))
    pairs: dict[int, tuple[str, str]] = {}
    questions = []
    taken: set[str] = set()
    for i, (topic, teller) in enumerate(news):
        value = _value(topic["value"], people, towns, taken, random)
        me, you = speakers[teller], speakers[1 - teller]
        pairs[positions[i]] = (f"{me}: {topic['said'].format(value=value)}", f"{you}: {topic['reply']}")
        if i < QUESTIONS_PER_CHAT:
            questions.append(
                {
                    "query_id": f"world-chat-{number}-{i}",
                    "query": topic["question"].format(me=me),
                    "answers": [value],
                    "history_id": f"world-chat-{number}",
                    "evidence": [positions[i]],
                    "type": topic["value"],
                }
            )
    history = _dated(pairs, length, speakers, towns, random)
    return Chat({"history_id": f"world-chat-{number}", "history": history}, questions)


def _speakers(people: list[str], random: Random) -> tuple[str, str]:
    """First names of two people, not the same one."""
    first = random.choice(people).split()[0]
    return first, random.choice([name.split()[0] for name in people if not name.startswith(first[:3])])


def _value(kind: str, people: list[str], towns: list[str], taken: set[str], random: Random) -> str:
    """A value that this conversation has not used yet, so that an answer stands in one pair only."""
    values = people if kind == "person" else towns if kind == "town" else _PHRASES.values[kind]
    value: str = random.choice([value for value in values if value not in taken])
    taken.add(value)
    return value


def _dated(
    pairs: dict[int, tuple[str, str]], length: int, speakers: tuple[str, str], towns: list[str], random: Random
) -> list[str]:
    """All turn pairs in order, small talk between those that tell something; some pairs share a day."""
    day, year = random.randrange(300), 1600 + random.randrange(250)
    history = []
    for position in range(length):
        if random.random() < 0.5:
            day += random.randrange(1, 6)
        if position in pairs:
            first, second = pairs[position]
        else:
            me, you = speakers if random.random() < 0.5 else speakers[::-1]
            words = {"n": str(random.randrange(2, 12)), "month": random.choice(MONTHS), "town": random.choice(towns)}
            remark = random.choice(_PHRASES.small_talk)
            first, second = f"{me}: {remark['said'].format(**words)}", f"{you}: {remark['reply'].format(**words)}"
        date = f"{day % 30 + 1} {MONTHS[day // 30 % 12]}, {year + day // 360}"
        history.append(f"[{date}]\n{first}\n{second}")
    return history
