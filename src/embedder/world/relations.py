"""What the world knows about its people, towns, works, companies, events and discoveries, and how it is said."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedder.world.phrase_files import phrases


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation of a kind of thing.

    In braces stand in statements {S} {s} the subject ("She", "she"), {P} {p} its possessive ("Her", "her"), {m} it as
    an object ("her"), {O} {o} what the relation names (a person, a town, a year, a thing) and {deed} what a person did;
    in questions and phrases {s} {m} the name or a description of the subject; in `told_there` {S} {s} the full name of
    the subject, {o} the object and {name} the subject without an article.

    Args:
        asks: What an answer is: year, person, town, company, event or thing.
        plain: The sentence of the subject's own passage that a small LLM understands.
        statements: Other sentences of it, which tell the same in a roundabout way.
        questions: Questions about it, in other words than the statements.
        values: The possible answers; empty if the answer is an entity or a year.
        object_kind: The kind of entity that answers; empty if none.
        window: Allowed difference of the years of object and subject, or None.
        told_there: Sentences that tell the same in the passage of the object.
        phrases: Ways to speak of the object through the subject, for questions of two hops.
    """

    asks: str
    plain: str
    statements: Sequence[str]
    questions: Sequence[str]
    values: Sequence[str] = ()
    object_kind: str = ""
    window: Sequence[int] | None = None
    told_there: Sequence[str] = ()
    phrases: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing in the world.

    Args:
        intros: First sentences of a passage; in braces are the traits of the entity.
        relations: All relations by name, which is part of the `type` of a question.
        closings: Sentences without facts, for passages that came out short.
        intro_relation: The relation that every intro states, or "".
    """

    intros: Sequence[str]
    relations: dict[str, Relation]
    closings: Sequence[str]
    intro_relation: str = ""


def _kind(name: str) -> Kind:
    fields = vars(phrases(name))
    return Kind(**fields | {"relations": {key: Relation(**one) for key, one in fields["relations"].items()}})


KINDS = {name: _kind(name) for name in ("town", "person", "company", "event", "work", "discovery")}
MONTHS = KINDS["town"].relations["festival"].values
