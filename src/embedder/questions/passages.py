"""Which passages questions are written about: a seeded choice that is spread over the documents."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from embedder.data.jsonl import JsonLines
from embedder.texts import stretches

_DOCUMENT = ("file", "title")
"""Fields of a row of the corpus that name its document; the first that is there counts."""


def spread(rows: JsonLines, seed: int, shortest: int) -> tuple[list[int], int]:
    """Positions of the passages, in the order in which questions are written about them.

    First one passage of every document, then a second one of those that have it, and so on; documents, and the passages
    of each, come in an order that is a hash of the seed. A part of the order is therefore spread over the documents.

    Args:
        rows: Of the corpus, with `id` and `text`; `file` or `title` name the document.
        seed: Another seed gives another order.
        shortest: Passages of fewer words are left out.

    Returns:
        The positions, and how many passages were too short.
    """
    documents: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    short = 0
    for position, row in enumerate(rows.rows()):
        if len(stretches(row.text("text"))[:shortest]) < shortest:
            short += 1
            continue
        key_id = row.text("id")
        document = next((name for field in _DOCUMENT if (name := row.text(field, default=""))), key_id)
        documents[document].append((_hash(f"{seed}/{key_id}"), position))
    ordered = [documents[name] for name in sorted(documents, key=lambda name: _hash(f"{seed}/{name}"))]
    return list(_in_turn(sorted(own) for own in ordered)), short


def _in_turn(groups: Iterable[list[tuple[bytes, int]]]) -> Iterator[int]:
    """The first of every group, then the second, and so on."""
    left = [iter(group) for group in groups]
    while left:
        still = []
        for group in left:
            if (found := next(group, None)) is not None:
                yield found[1]
                still.append(group)
        left = still


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8, person=b"questions").digest()
