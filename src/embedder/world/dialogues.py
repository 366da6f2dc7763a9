"""Conversational search: questions whose subject only the earlier turns name."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from embedder.world.entities import Entity
from embedder.world.facts import Fact, Region
from embedder.world.passages import capitalised
from embedder.world.phrase_files import phrases
from embedder.world.questions import Question, ask, describe

_OTHER_TOPIC = 0.4  # share of the dialogues that begin with something else


_PHRASES = phrases("dialogues")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The earlier turns, user and assistant by turns, and the current question."""

    history: list[str]
    question: str
    target: Question


def dialogues(region: Region, facts: list[Fact], random: Random) -> Iterator[Dialogue]:
    """Dialogues that end in a question with a pronoun; every fact is the target of one, in random order.

    Args:
        region: What they talk about.
        facts: Those that may be asked, as targets and in earlier turns.
        random: Source of all choices.
    """
    for target in random.sample(facts, len(facts)):
        subject = region.entities[target.subject]
        leading = [fact for fact in facts if fact.object == target.subject and fact.subject != target.object]
        siblings = [fact for fact in facts if fact.subject == target.subject and fact.relation != target.relation]
        history: list[str] = []
        if random.random() < _OTHER_TOPIC:
            other = random.choice(facts)
            if target.subject not in (other.subject, other.object):
                history += _exchange(region, other, random)
        if leading and random.random() < 0.5:
            history += _exchange(region, random.choice(leading), random)
            pronouns = f"that {subject.kind}", f"that {subject.kind}"
        elif siblings and random.random() < 0.7:
            history += _exchange(region, random.choice(siblings), random, named=True)
            pronouns = subject.pronouns[0], subject.pronouns[2]
        else:
            opening = random.choice(_PHRASES.openings)
            history += [opening["user"].format(s=subject.mention), opening["assistant"]]
            pronouns = subject.pronouns[0], subject.pronouns[2]
        template = random.choice(region.relation(target).questions)
        text = template.format(s=pronouns[0], m=pronouns[1])
        question = random.choice(_PHRASES.leads).format(question=text[0].lower() + text[1:], Question=capitalised(text))
        yield Dialogue(history, question, Question(question, (target,), region))


def _exchange(region: Region, fact: Fact, random: Random, *, named: bool = False) -> list[str]:
    """A question about a fact and the answer to it."""
    entity: Entity = region.entities[fact.subject]
    subject = entity.mention if named else describe(entity, fact.relation, random)
    return [
        ask(random.choice(region.relation(fact).questions), subject),
        random.choice(_PHRASES.replies).format(o=fact.mention),
    ]
