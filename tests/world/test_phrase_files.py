"""The files of phrases hold what the dataclasses of the code say, and nothing but their names stands in braces."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from string import Formatter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from embedder.world import chats, dialogues, documents, examples, names, tools
from embedder.world.entity_phrases import PHRASES
from embedder.world.relations import KINDS

ALL = {
    **{module.__name__: module._PHRASES for module in (chats, dialogues, documents, examples, tools)},
    "names": names._SYLLABLES,
    "entities": PHRASES,
    **KINDS,
}


def texts(value: Any, form: Any, slots: str = "") -> Iterator[tuple[str, str]]:
    """Every text with the names that may stand in its braces; a value of another type than its form fails."""
    origin, parts = get_origin(form), get_args(form)
    if origin is Annotated:
        yield from texts(value, parts[0], parts[1])
    elif is_dataclass(form):
        assert type(value) is form
        hints = get_type_hints(form, include_extras=True)
        for field in fields(form):
            yield from texts(getattr(value, field.name), hints[field.name])
    elif isinstance(value, dict):
        yield from (one for name, item in value.items() for one in [(name, ""), *texts(item, parts[1])])
    elif isinstance(value, tuple):
        yield from (one for item in value for one in texts(item, parts[0] if parts[0] is not tuple else int))
    elif form is str:
        assert type(value) is str, f"text in quotes: YAML reads {value!r}"
        yield value, slots
    else:
        assert value is None or type(value) is int or get_origin(parts[0]) is tuple


@pytest.mark.parametrize("name", ALL)
def test_only_the_names_of_the_form_stand_in_braces(name: str):
    found = list(texts(ALL[name], type(ALL[name])))
    assert found
    for text, slots in found:
        for _, slot, spec, conversion in Formatter().parse(text):
            # `str.format` can look into what it is given (`{s.__class__}`): plain names alone.
            assert slot is None or (slot in slots.split() and not spec and not conversion), text
