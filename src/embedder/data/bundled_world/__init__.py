"""The bundled world: a fictional encyclopedia that no LLM can know, made from a seed, for all six tasks."""

from embedder.data.bundled_world.settings import WorldSettings
from embedder.data.bundled_world.write import write_world

__all__ = ["WorldSettings", "write_world"]
