"""Whether two rows measure the same thing: only the retriever may differ."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from embedder.errors import ProtocolError
from embedder.results.measures import is_retrieval
from embedder.results.row import Row
from embedder.results.scores_file import Results

MAY_DIFFER = frozenset({"sides", "retriever", "precision", "parts", "left_out", "copies", "keys"})
"""Fields of a row's protocol that describe the retriever, which is what a comparison is of, or only what is shown; or
that follow from others, as what is left out and how many keys there are follow from the files."""
ANSWER_FIELDS = frozenset({"answered", "prompt", "llm", "rag", "consumer", "consumer_texts"})
"""Fields that retrieval metrics do not depend on."""
RETRIEVAL_FIELDS = frozenset({"cutoffs"})
"""Fields that only retrieval metrics depend on."""

_ABSENT = "(absent)"
_SHOWN = 60  # characters of a value in a message


def check_comparable(a: Row, b: Row, metrics: Sequence[str]) -> None:
    """Refuse two rows whose numbers do not measure the same thing.

    Every field of the protocols must be equal but those that describe the retriever (`MAY_DIFFER`). What concerns the
    LLM need not be where only retrieval metrics are compared, nor the cut-offs where none is.

    Raises:
        ProtocolError: It names each field that differs, with both values.
    """
    differing = [*differing_fields(a.protocol, b.protocol, metrics)]
    for metric in () if differing else metrics:
        in_a, in_b = a.per_query[metric].keys(), b.per_query[metric].keys()
        if in_a != in_b:
            query = sorted(in_a ^ in_b)[0]
            where = "A" if query in in_a else "B"
            differing.append((f"queries of {metric}", len(in_a), f"{len(in_b)} ({query!r} is only in {where})"))
    if differing:
        alone = all(name.partition(".")[0] in ANSWER_FIELDS for name, _, _ in differing)
        hint = "retrieval metrics alone can be compared, as with 'compare.metrics=[ndcg@10]'" if alone else ""
        raise ProtocolError(f"{a.task}/{a.dataset}, {a.retriever} and {b.retriever}", differing, hint)


def differing_fields(a: Mapping[str, Any], b: Mapping[str, Any], metrics: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """Fields (dotted where they are nested) of two protocols that should be equal and are not, with both values."""
    kinds = {is_retrieval(metric) for metric in metrics}
    skipped = MAY_DIFFER | (frozenset() if False in kinds else ANSWER_FIELDS)
    skipped |= frozenset() if True in kinds else RETRIEVAL_FIELDS
    names = [name for name in dict.fromkeys((*a, *b)) if name not in skipped]
    return [field for name in names for field in _differing(name, a.get(name, _ABSENT), b.get(name, _ABSENT))]


def differing_versions(a: Results, b: Results) -> list[tuple[str, Any, Any]]:
    """What differs in the machines and packages of two runs: it may move the last digits."""
    of_a, of_b = a.protocol.get("environment", {}), b.protocol.get("environment", {})
    return [*_differing("environment", of_a, of_b)]


def _differing(name: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys((*a, *b)):
            yield from _differing(f"{name}.{key}", a.get(key, _ABSENT), b.get(key, _ABSENT))
    elif a != b:
        yield (name, *_excerpts(a, b))


def _excerpts(a: Any, b: Any) -> tuple[Any, Any]:
    """Two values, of long ones (such as a prompt with its examples) the part where they begin to differ."""
    texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in (a, b)]
    if max(map(len, texts)) <= _SHOWN:
        return a, b
    same = next(
        (position for position, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]),
        min(map(len, texts)),
    )
    start = max(0, same - _SHOWN // 3)
    excerpt_a, excerpt_b = (
        ("..." if start else "") + text[start : start + _SHOWN] + ("..." if start + _SHOWN < len(text) else "")
        for text in texts
    )
    return excerpt_a, excerpt_b
