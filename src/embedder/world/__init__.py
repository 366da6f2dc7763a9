"""The bundled world: a fictional encyclopedia that no LLM can know, made from a seed, for all six tasks."""

from embedder.world.settings import WorldSettings
from embedder.world.write import write_world

__all__ = ["WorldSettings", "write_world"]
