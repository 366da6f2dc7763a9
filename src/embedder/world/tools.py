"""Invented tools with typed parameters, and requests that need one to three of them without naming any."""

from random import Random
from typing import Any

from embedder.world.facts import Region
from embedder.world.phrase_files import phrases

_PHRASES = phrases("tools")
_TOOLS = {
    f"{action}_{domain}": (_PHRASES.domains[domain], _PHRASES.actions[action])
    for domain in _PHRASES.domains
    for action in _PHRASES.actions
}
_LOCATION = {"type": "string", "meaning": "location"}  # the first parameter of all tools
_TOOLS_PER_REQUEST = (1, 1, 1, 2, 2, 3)


def tool_rows() -> list[dict[str, str]]:
    """All tools, one for each domain and action; the same in every world."""
    return [{"id": name, "title": name, "text": _description(*tool)} for name, tool in _TOOLS.items()]


def request(region: Region, random: Random, *, test: bool) -> dict[str, Any]:
    """The query and gold ids of one request; test and training requests speak of different towns."""
    towns = [town.name for town in region.of_kind("town")][int(test) :: 2]
    people = [person.name for person in region.of_kind("person")]
    chosen = random.sample(list(_TOOLS), random.choice(_TOOLS_PER_REQUEST))
    wishes = []
    for name in chosen:
        domain, action = _TOOLS[name]
        town, other = random.sample(towns, 2)
        values = {
            "thing": random.choice(domain["wishes"]).format(town=town),
            "other": other,
            "person": random.choice(people),
            "number": str(random.randrange(2, 90)),
            "year": str(random.randrange(1500, 1900)),
        }
        wishes.append(random.choice(action["wishes"]).format_map(values))
    return {
        "query": wishes[0] + "".join(random.choice(_PHRASES.joints) + wish for wish in wishes[1:]),
        "pos": chosen,
        "type": "one tool" if len(chosen) == 1 else "several tools",
    }


def _description(domain: dict[str, Any], action: dict[str, Any]) -> str:
    parameters = {"town": _LOCATION, **action["parameters"]}
    listed = "; ".join(f"{name} ({one['type']}): {one['meaning']}" for name, one in parameters.items())
    return f"{action['does'].format(what=domain['what'])} Parameters: {listed}."
