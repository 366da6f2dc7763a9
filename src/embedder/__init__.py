"""Train one retriever for your own LLM: knowledge, memory, examples and tools.

    import embedder

    retriever = embedder.load("outputs/train/.../export")
    retriever.index(["The lighthouse was built by Oru.", {"title": "Oru", "text": "A river in the north."}])
    hits = retriever.search(["Who built the lighthouse?"], k=1)[0]

Losses are in `embedder.losses`, rewards in `embedder.rewards`. Nothing is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedder.data.corpus import join_title
    from embedder.search.keys import Hit
    from embedder.search.retriever import Retriever, load
    from embedder.training.module import RetrieverModule

__version__ = "0.1.0"
__all__ = ["Hit", "Retriever", "RetrieverModule", "join_title", "load"]

_HOMES = {
    "Hit": "embedder.search.keys",
    "Retriever": "embedder.search.retriever",
    "RetrieverModule": "embedder.training.module",
    "join_title": "embedder.data.corpus",
    "load": "embedder.search.retriever",
}


def __getattr__(name: str) -> Any:
    """A public name, from where it is defined."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names beside what is loaded."""
    return sorted({*globals(), *__all__})
