"""Long documents: chronicles that come back to the same people and places many pages later."""

import random
from typing import Any

from embedder.data.bundled_world.facts import Entity
from embedder.data.bundled_world.passages import passage

_PASSES = 4


def document(entities: list[Entity], seed: int, number: int) -> dict[str, Any]:
    """A chronicle of a region: it goes over the region several times, in another order and other words each time."""
    generator = random.Random(f"{seed}/document/{number}")  # noqa: S311  # not for cryptography
    chapters = []
    for chapter in range(_PASSES):
        order = generator.sample(entities, len(entities))
        paragraphs = [passage(entity, generator) for entity in order]
        chapters.append(f"Chapter {chapter + 1}\n\n" + "\n\n".join(paragraphs))
    town = next(entity.name for entity in entities if entity.kind == "place")
    return {
        "doc_id": f"document-{number}",
        "title": f"A Chronicle of {town}",
        "domain": "chronicle",
        "text": "\n\n".join(chapters),
    }
