"""Streams the rows of every file of a world, region by region, in bounded memory."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from embedder.world.chats import QUESTIONS_PER_CHAT, Chat, chat
from embedder.world.dialogues import dialogues
from embedder.world.documents import document
from embedder.world.examples import contents, example
from embedder.world.facts import Region, build_region
from embedder.world.passages import passage_rows
from embedder.world.questions import mixed_questions
from embedder.world.seeds import seeded
from embedder.world.settings import REGION_SIZE, WorldSettings
from embedder.world.tools import request

Row = dict[str, Any]
Item = TypeVar("Item")

_WINDOW = 1024  # rows held while a stream is mixed


def mixed(items: Iterator[Item], *name: int | str) -> Iterator[Item]:
    """The items in an order that depends on the name only, mixed within a window of constant size."""
    random = seeded(*name)
    window = list(islice(items, _WINDOW))
    random.shuffle(window)
    for item in items:
        i = random.randrange(len(window))
        yield window[i]
        window[i] = item
    yield from window


def corpus(settings: WorldSettings) -> Iterator[Row]:
    """The encyclopedia, exactly `settings.passages` rows."""
    rows = (row for number in range(settings.regions) for row in passage_rows(region(settings, number)))
    return mixed(rows, settings.seed, "corpus")


def questions(settings: WorldSettings, *, test: bool) -> Iterator[Row]:
    """Questions of one and two hops, two of the first for each of the second."""
    name = _split_name(test=test)
    for here, number, count in _shares(settings, test=test):
        random = seeded(settings.seed, here.number, "questions", name)
        facts = here.split(settings.test_share)[0 if test else 1]
        for i, question in enumerate(mixed_questions(here, facts, count, number, random)):
            yield {
                "query_id": f"world-qa-{name}-{number + i}",
                "query": question.text,
                "answers": question.answers,
                "pos": question.positives,
                "hops": len(question.facts),
                "type": question.type,
            }


def searches(settings: WorldSettings, *, test: bool) -> Iterator[Row]:
    """Questions of conversational search, each with its history."""
    name = _split_name(test=test)
    for here, number, count in _shares(settings, test=test):
        random = seeded(settings.seed, here.number, "dialogues", name)
        facts = here.split(settings.test_share)[0 if test else 1]
        rounds = (dialogue for _ in range(count) for dialogue in dialogues(here, facts, random))
        for i, dialogue in enumerate(islice(rounds, count)):
            yield {
                "query_id": f"world-convsearch-{name}-{number + i}",
                "query": " ".join([*dialogue.history, dialogue.question]),
                "answers": dialogue.target.answers,
                "pos": dialogue.target.positives,
                "type": dialogue.target.type,
                "history": dialogue.history,
                "question": dialogue.question,
                "dialogue": f"world-dialogue-{name}-{number + i}",
            }


def chats(settings: WorldSettings, *, test: bool) -> Iterator[Chat]:
    """Conversations with ten questions each (the last one perhaps with fewer); no split shares one with another."""
    number = 0 if test else -(-settings.test_questions // QUESTIONS_PER_CHAT)
    left = _total(settings, test=test)
    while left:
        conversation = chat(region(settings, number % settings.regions), number)
        questions = conversation.questions[:left]
        yield Chat(conversation.history, questions)
        left -= len(questions)
        number += 1


def documents(settings: WorldSettings, *, test: bool) -> Iterator[Row]:
    """Chronicles, each of a region of its own beyond those of the encyclopedia, so that none tells another's facts."""
    cut = settings.test_documents
    for number in range(cut) if test else range(cut, settings.documents):
        yield document(build_region(settings.seed, settings.regions + number, REGION_SIZE), number)


def example_corpus(settings: WorldSettings) -> Iterator[Row]:
    """The corpus of icl, as many rows as there are questions."""
    for number, row in enumerate(_examples(settings, settings.questions, 2)):
        yield {
            "id": f"world-icl-{number}",
            "task_name": row["task_name"],
            "contents": contents(row),
            "answers": row["answers"],
            "options": row["options"],
        }


def open_examples(settings: WorldSettings, *, test: bool) -> Iterator[Row]:
    """The queries of icl."""
    name = _split_name(test=test)
    for number, row in enumerate(_examples(settings, _total(settings, test=test), 0 if test else 1)):
        yield {"query_id": f"world-icl-{name}-{number}", **row}


def requests(settings: WorldSettings, *, test: bool) -> Iterator[Row]:
    """The queries of tool."""
    name = _split_name(test=test)
    for number in range(_total(settings, test=test)):
        here = region(settings, number % settings.regions)
        random = seeded(settings.seed, "request", name, number)
        yield {"query_id": f"world-tool-{name}-{number}", **request(here, random, test=test)}


def region(settings: WorldSettings, number: int) -> Region:
    """A region of the encyclopedia; the first ones are one passage larger where the number does not divide."""
    size, larger = divmod(settings.passages, settings.regions)
    return build_region(settings.seed, number, size + (number < larger))


def _examples(settings: WorldSettings, count: int, part: int) -> Iterator[Row]:
    for number in range(count):
        here = region(settings, number * settings.regions // count)
        yield example(here, number, part, seeded(settings.seed, "example", part, number))


def _shares(settings: WorldSettings, *, test: bool) -> Iterator[tuple[Region, int, int]]:
    """Regions with the number of their first question and how many they have; the shares are even."""
    total = _total(settings, test=test)
    for number in range(settings.regions):
        first = number * total // settings.regions
        count = (number + 1) * total // settings.regions - first
        if count:
            yield region(settings, number), first, count


def _total(settings: WorldSettings, *, test: bool) -> int:
    return settings.test_questions if test else settings.train_questions


def _split_name(*, test: bool) -> str:
    return "test" if test else "train"
