"""What the world knows about its people, towns, works, companies, events and discoveries, and how it is said."""

from dataclasses import dataclass
from typing import Annotated

from embedder.world.phrase_files import read_phrases

Statement = Annotated[str, "S s P p m o O deed"]
"""A sentence about a subject that was named before.

In braces: {S} {s} the subject ("She", "she"), {P} {p} its possessive ("Her", "her"), {m} it as an object ("her"),
{O} {o} what the relation names (a person, a town, a year, a thing), {deed} what a person did.
"""
Question = Annotated[str, "s m"]
"""A question or phrase about a subject, its name or a description, as subject {s} or object {m}."""
SideRemark = Annotated[str, "S s o name"]
"""A sentence in the passage of {o} about {s}, by its full name; {name} is that without an article."""
Intro = Annotated[str, "name river landmark a_noun deed home aside pause did seat a_form creator made finder"]
"""The first sentence of a passage; in braces are the traits of the entity."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation of a kind of thing.

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
    plain: Statement
    statements: tuple[Statement, ...]
    questions: tuple[Question, ...]
    values: tuple[str, ...] = ()
    object_kind: str = ""
    window: tuple[int, int] | None = None
    told_there: tuple[SideRemark, ...] = ()
    phrases: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing in the world.

    Args:
        intros: First sentences of a passage.
        relations: All relations by name, which is part of the `type` of a question.
        closings: Sentences without facts, for passages that came out short.
        intro_relation: The relation that every intro states, or "".
    """

    intros: tuple[Intro, ...]
    relations: dict[str, Relation]
    closings: tuple[str, ...]
    intro_relation: str = ""


KINDS = {name: read_phrases(Kind, name) for name in ("town", "person", "company", "event", "work", "discovery")}
MONTHS = KINDS["town"].relations["festival"].values
