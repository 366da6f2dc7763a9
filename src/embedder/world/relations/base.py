"""The form in which a relation is written down: how passages tell it and how questions ask for it.

Slots of the sentences:
    {S} {s} the subject ("She", "she"; in questions also a name or a description)
    {P} {p} its possessive ("Her", "her", "Tavik Morrune's")
    {m}     it as an object ("her")
    {o}     what the relation names (a person, a town, a year, a thing)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation of a kind of thing.

    Args:
        name: Short name, part of the `type` of a question.
        asks: What an answer is: year, person, town, company, event or thing.
        plain: The sentence of the subject's own passage that a small LLM understands.
        statements: Other sentences of it, which tell the same in a roundabout way.
        questions: Questions about it, in other words than the statements.
        values: The possible answers; empty if the answer is an entity or a year.
        object_kind: The kind of entity that answers; empty if none.
        window: Allowed difference of the years of object and subject, or None.
        told_there: Sentences that tell the same in the passage of the object ({s} is then a full name, {o} the object).
        phrases: Ways to speak of the object through the subject, for questions of two hops.
    """

    name: str
    asks: str
    plain: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    values: tuple[str, ...] = ()
    object_kind: str = ""
    window: tuple[int, int] | None = None
    told_there: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing in the world.

    Args:
        name: person, town, work, company, event or discovery.
        intros: First sentences of a passage; slots are the traits of the entity.
        intro_relation: The relation that every intro tells, or "".
        relations: All relations by name.
        closings: Sentences without facts, for passages that came out short.
    """

    name: str
    intros: tuple[str, ...]
    intro_relation: str
    relations: dict[str, Relation]
    closings: tuple[str, ...]


def by_name(*relations: Relation) -> dict[str, Relation]:
    """A table of relations."""
    return {relation.name: relation for relation in relations}
