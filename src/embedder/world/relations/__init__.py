"""What the world knows about its people, towns, works, companies, events and discoveries, and how it is said."""

from embedder.world.relations import company, discovery, event, person, town, work
from embedder.world.relations.base import Kind, Relation

KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in (town, person, company, event, work, discovery)}

__all__ = ["KINDS", "Kind", "Relation"]
