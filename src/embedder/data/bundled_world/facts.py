"""The entities of a region and how they hang together: what is true in the world before anybody words it."""

import random
from dataclasses import dataclass, field

from embedder.data.bundled_world.names import Namer
from embedder.data.bundled_world.settings import REGION_PASSAGES

PROFESSIONS = [
    "surveyor",
    "poet",
    "botanist",
    "composer",
    "cartographer",
    "physician",
    "mason",
    "mathematician",
    "sculptor",
    "chemist",
    "historian",
    "novelist",
    "navigator",
    "geologist",
    "watchmaker",
    "playwright",
]
LANDMARKS = [
    "lighthouse",
    "planetarium",
    "stone bridge",
    "botanical garden",
    "theatre",
    "windmill",
    "clock tower",
    "salt market",
]
MATERIALS = ["granite", "oak", "copper", "slate", "marble", "larch", "brick", "bronze", "sandstone", "iron"]
FORMS = ["novel", "symphony", "ballad", "stage play", "treatise", "song cycle", "fresco", "travel diary"]
THEMES = [
    "a drowned village",
    "the winter migration of geese",
    "a quarrel between two sisters",
    "the invention of glass",
    "a journey by sledge",
    "the last night of a ferryman",
    "life in a salt mine",
    "the plague years",
    "an unfinished letter",
    "the stars of autumn",
]
PRODUCTS = [
    "pocket compasses",
    "canned herring",
    "church organs",
    "ship's clocks",
    "woollen blankets",
    "printing presses",
    "lamp oil",
    "ceramic tiles",
    "bicycles",
    "telescopes",
]
EVENTS = ["Regatta", "Lantern Fair", "Truce", "Flood", "Congress", "Great Fire", "Harvest Strike", "Expedition"]
CAUSES = [
    "a broken dam",
    "a dispute over grain prices",
    "the visit of a foreign fleet",
    "a bequest of a merchant",
    "a failed harvest",
    "a long drought",
]
KINDS = ["mineral", "moss", "comet", "balm", "metal", "dye", "beetle", "fever remedy"]
USES = [
    "waterproofing sails",
    "dating old timber",
    "easing toothache",
    "colouring glass",
    "preserving fish",
    "tuning bells",
    "measuring depth",
    "feeding silkworms",
]
_TITLE_HEAD = ["Silent", "Winter", "Copper", "Hidden", "Second", "Northern", "Burning", "Paper", "Hollow", "Patient"]
_TITLE_TAIL = ["Harbour", "Orchard", "Ledger", "Window", "Shore", "Garden", "Mirror", "Staircase", "Choir", "Meadow"]

ORDER = ("place", "person", "work", "company", "event", "discovery")
_SHARES = (18, 30, 18, 12, 10, 12)  # of 100 passages


@dataclass
class Entity:
    """A thing that a passage is about.

    `facts` are short answers by relation; `links` name another entity by relation.
    """

    kind: str
    name: str
    facts: dict[str, str] = field(default_factory=dict)
    links: dict[str, "Entity"] = field(default_factory=dict)
    id: str = ""


def make_region(seed: int, region: int) -> list[Entity]:
    """The entities of a region, a function of (seed, region) alone: as many as a region has passages."""
    generator = random.Random(f"{seed}/facts/{region}")  # noqa: S311  # not for cryptography; the same on every machine
    namer = Namer(region, generator)
    places = _places(generator, namer, _SHARES[0])
    people = [_person(generator, namer, places) for _ in range(_SHARES[1])]
    for person in people:
        person.links["teacher"] = generator.choice([other for other in people if other is not person])
    works = [_work(generator, namer, people, places) for _ in range(_SHARES[2])]
    companies = [_company(generator, namer, people, places) for _ in range(_SHARES[3])]
    events = [_event(generator, namer, people, places) for _ in range(_SHARES[4])]
    discoveries = [_discovery(generator, namer, people, places) for _ in range(_SHARES[5])]
    for place in places:
        place.links["designer"] = generator.choice(people)
    entities = [*places, *people, *works, *companies, *events, *discoveries]
    for number, entity in enumerate(entities):
        entity.id = f"w{region * REGION_PASSAGES + number}"
    return entities


def _year(generator: random.Random, low: int = 1640, high: int = 1935) -> str:
    return str(generator.randrange(low, high))


def _places(generator: random.Random, namer: Namer, n: int) -> list[Entity]:
    places: list[Entity] = []
    for number in range(n):
        twin = number % 3 == 2  # every third town is named after the one before
        name = namer.near(places[-1].name) if twin else namer.place()
        facts = {
            "landmark": generator.choice(LANDMARKS),
            "material": generator.choice(MATERIALS),
            "finished": _year(generator),
            "inhabitants": f"{generator.randrange(2, 90)},{generator.randrange(10) * 100:03d}",
        }
        places.append(Entity("place", name, facts))
    return places


def _person(generator: random.Random, namer: Namer, places: list[Entity]) -> Entity:
    born = generator.randrange(1640, 1890)
    facts = {
        "profession": generator.choice(PROFESSIONS),
        "born": str(born),
        "died": str(born + generator.randrange(31, 88)),
    }
    home, school = generator.sample(places, 2)
    return Entity("person", namer.person(), facts, {"birthplace": home, "studied": school})


def _work(generator: random.Random, namer: Namer, people: list[Entity], places: list[Entity]) -> Entity:
    head, tail = generator.choice(_TITLE_HEAD), generator.choice(_TITLE_TAIL)
    place = generator.choice(places)
    name = f"The {head} {tail} of {namer.coined(('ane', 'ith', 'ora', 'une', 'el'))}"
    facts = {"form": generator.choice(FORMS), "theme": generator.choice(THEMES), "published": _year(generator)}
    return Entity("work", name, facts, {"author": generator.choice(people), "premiere": place})


def _company(generator: random.Random, namer: Namer, people: list[Entity], places: list[Entity]) -> Entity:
    house = generator.choice(("Works", "& Sons", "Company", "Brothers"))
    name = f"{namer.coined(('ex', 'on', 'ar', 'mark', 'star'))} {house}"
    facts = {
        "product": generator.choice(PRODUCTS),
        "founded": _year(generator),
        "staff": str(generator.randrange(12, 900)),
    }
    return Entity("company", name, facts, {"founder": generator.choice(people), "seat": generator.choice(places)})


def _event(generator: random.Random, namer: Namer, people: list[Entity], places: list[Entity]) -> Entity:
    place = generator.choice(places)
    year = _year(generator)
    name = f"{namer.coined(('ian', 'ish', 'ese'))} {generator.choice(EVENTS)}"
    facts = {"year": year, "cause": generator.choice(CAUSES), "days": f"{generator.randrange(3, 60)} days"}
    return Entity("event", name, facts, {"site": place, "leader": generator.choice(people)})


def _discovery(generator: random.Random, namer: Namer, people: list[Entity], places: list[Entity]) -> Entity:
    name = namer.coined(("ite", "ol", "ium", "ane", "ella"))
    facts = {"kind": generator.choice(KINDS), "year": _year(generator), "use": generator.choice(USES)}
    return Entity("discovery", name, facts, {"finder": generator.choice(people), "found_at": generator.choice(places)})
