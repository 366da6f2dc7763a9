"""Writes the page of the public Python API from its docstrings: run `python docs/api.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
SECTIONS = {  # what a user imports, by the title of a section
    "The retriever": ("embedder", ["load", "Retriever", "Hit", "join_title"]),
    "Training with Lightning": ("embedder", ["RetrieverModule"]),
    "Losses": ("embedder.losses", None),  # None: all public names
    "Rewards": ("embedder.rewards", None),
}
_INTRODUCTION = """\
# Python API

This page is made from the docstrings by `python docs/api.py`; a test fails if the two differ. Nothing is imported
before it is used: `import embedder` takes milliseconds. The names below, the commands of `embedder` and the settings
in `conf/` are public; everything else may change. What a user can cause is raised as `embedder.errors.EmbedderError`,
with a message that says what to change: `ConfigError` for an argument, `DataError` for a file, `MissingExtraError`
for a missing package.
"""
_WITH_METHODS = {"Retriever", "Hit"}  # of other classes the methods are Lightning's, or one call
_MADE_BY_A_FUNCTION = {"Retriever"}


def page() -> str:
    """All of it, as Markdown."""
    package: Any = griffe.load(
        "embedder", search_paths=[ROOT / "src"], docstring_parser="google", allow_inspection=False
    )
    parts = [_INTRODUCTION]
    for title, (module, names) in SECTIONS.items():
        parts.append(f"## {title}\n")
        home = package if module == "embedder" else package[module.removeprefix("embedder.")]
        for name in names or home.exports:
            parts.extend(_about(home[name].final_target, f"{module}.{name}", "###"))
    return "\n".join(parts)


def _about(thing: Any, name: str, heading: str) -> Iterator[str]:
    yield f"{heading} `{name}`\n"
    if signature := _signature(thing, name):
        yield f"```python\n{signature}\n```\n"
    for section in thing.docstring.parsed if thing.docstring is not None else ():
        yield from _section(section, hide_arguments=thing.name in _MADE_BY_A_FUNCTION)
    if thing.name in _WITH_METHODS:
        for member in thing.members.values():
            is_field = member.is_attribute and "property" not in member.labels
            if not is_field and (member.name == "__len__" or not member.name.startswith("_")):
                yield from _about(member, f"{thing.name}.{member.name}", "####")


def _signature(thing: Any, name: str) -> str:
    if thing.is_attribute:  # a property
        return f"{thing.name}: {thing.annotation}"
    if thing.is_class and thing.name in _MADE_BY_A_FUNCTION:
        return ""
    parameters, starred = [], False
    for one in thing.parameters:
        if one.name == "self":
            continue
        if one.kind == griffe.ParameterKind.keyword_only and not starred:
            parameters, starred = [*parameters, "*"], True
        default = "" if one.default is None else f" = {one.default}"
        parameters.append(f"{one.name}: {one.annotation}{default}")
    returns = "" if thing.is_class or thing.returns is None else f" -> {thing.returns}"
    return f"{name}({', '.join(parameters)}){returns}"


def _section(section: Any, *, hide_arguments: bool) -> Iterator[str]:
    kind, value = section.kind.value, section.value
    if kind == "text":
        yield from (
            f"```python\n{part}\n```\n" if part.startswith(">>>") else f"{part}\n" for part in value.split("\n\n")
        )
    elif kind == "admonition":
        yield f"{value.contents}\n"
    elif kind == "parameters" and not hide_arguments:
        yield "\n".join(f"- `{one.name}`: {_one_line(one.description)}" for one in value) + "\n"
    elif kind == "returns":
        yield "\n".join(f"Returns: {_one_line(one.description)}" for one in value) + "\n"
    elif kind == "raises":
        yield "\n".join(f"- raises `{one.annotation}`: {_one_line(one.description)}" for one in value) + "\n"
    elif kind == "attributes":
        yield "\n".join(f"- `.{one.name}`: {_one_line(one.description)}" for one in value) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
