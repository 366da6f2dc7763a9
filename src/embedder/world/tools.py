"""Invented tools with typed parameters, and requests that need one to three of them without naming any."""

from dataclasses import dataclass
from random import Random
from typing import Any

from embedder.world.facts import Region


@dataclass(frozen=True, slots=True)
class _Domain:
    """What tools work on: `what` in descriptions, one of `wishes` in requests."""

    name: str
    what: str
    wishes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Action:
    """What a tool does: `does` in descriptions, one of `wishes` in requests."""

    name: str
    does: str
    parameters: tuple[tuple[str, str, str], ...]
    wishes: tuple[str, str]


_DOMAINS = tuple(
    _Domain(name, what, (far, near))
    for name, what, far, near in (
        ("ferry_crossings", "scheduled ferry crossings", "the boats over the water to {town}", "ferries to {town}"),
        (
            "tide_tables",
            "high and low tide at a port",
            "when the beach of {town} is dry",
            "the next low tide in {town}",
        ),
        ("library_loans", "items on loan from a library", "the books I took home in {town}", "the library of {town}"),
        ("market_stalls", "stall permits of markets", "a spot to sell my cheese in {town}", "a stall in {town}"),
        ("bell_schedule", "ringing times of bells", "the chimes that wake us in {town}", "the church bells of {town}"),
        ("inn_rooms", "vacancies of inns", "somewhere to sleep in {town}", "the inns of {town}"),
        (
            "beehive_records",
            "inspections of beehives",
            "the honey makers behind my house in {town}",
            "my hives in {town}",
        ),
        ("flood_levels", "river levels and floods", "whether the water is rising in {town}", "the river in {town}"),
        (
            "lamp_faults",
            "defects of street lamps",
            "the dark corner by the gate of {town}",
            "the broken lamps of {town}",
        ),
        ("choir_rehearsals", "choir rehearsals", "the evenings when we sing in {town}", "our choir in {town}"),
        ("seed_catalogue", "vegetable and flower seeds", "what I could sow in {town}", "flower seeds for {town}"),
        ("stamp_auctions", "stamp auctions", "the collection of old letters sold in {town}", "the auctions of {town}"),
        ("clock_repairs", "repairs of watches and clocks", "my timepiece left in {town}", "my watch in {town}"),
        ("grain_prices", "prices of grain", "what a sack of rye fetches in {town}", "wheat prices in {town}"),
        (
            "bridge_tolls",
            "tolls for crossing bridges",
            "what carts pay on the way into {town}",
            "the bridges of {town}",
        ),
        ("theatre_seats", "seats in theatres", "the comedy that {town} laughs about", "a theatre visit in {town}"),
        (
            "midwife_visits",
            "visits of midwives",
            "help for my wife, who is expecting, in {town}",
            "a midwife in {town}",
        ),
        ("dog_licences", "licences for dogs", "papers for our new puppy in {town}", "my dog in {town}"),
        ("snow_depths", "depth of snow on roads", "whether sledges get through to {town}", "snow around {town}"),
        ("school_places", "free places in schools", "a class for my daughter in {town}", "the schools of {town}"),
        ("pottery_kilns", "firing in shared kilns", "baking my clay bowls in {town}", "a kiln in {town}"),
        ("star_positions", "positions of stars", "what shines at dusk over {town}", "the stars above {town}"),
        ("lost_property", "lost property handed in", "the scarf I left behind in {town}", "what I lost in {town}"),
        ("mill_queues", "waiting lists of mills", "getting my wheat ground in {town}", "the mills of {town}"),
    )
)
_ACTIONS = (
    _Action(
        "search",
        "Lists {what} that match the given filters.",
        (("query", "string", "words to match"),),
        ("Can you find out about {thing}?", "I have a question on {thing}: what is there?"),
    ),
    _Action(
        "book",
        "Creates a reservation or order: {what}.",
        (("name", "string", "holder of the reservation"), ("date", "date", "day")),
        ("Please arrange it in my name, {person}: {thing}.", "{person} would like to reserve: {thing}."),
    ),
    _Action(
        "cancel",
        "Withdraws an existing entry: {what}.",
        (("entry_id", "integer", "number of the entry"),),
        ("I changed my mind, call off number {number}; it was about {thing}.", "Drop my entry {number}, {thing}."),
    ),
    _Action(
        "subscribe",
        "Sends a recurring notification on {what}.",
        (("interval_days", "integer", "days between messages"),),
        (
            "Let me know every {number} days about {thing}.",
            "I want regular notifications, every {number} days: {thing}.",
        ),
    ),
    _Action(
        "history",
        "Returns archived data of past years on {what}.",
        (("year", "integer", "year"),),
        ("I am curious how it was back in {year}: {thing}.", "What do the archives of {year} tell about {thing}?"),
    ),
    _Action(
        "forecast",
        "Predicts future values for {what}.",
        (("days", "integer", "days ahead"),),
        (
            "What do you expect in {number} days for {thing}?",
            "Give me a prediction, {number} days from now, for {thing}.",
        ),
    ),
    _Action(
        "compare",
        "Contrasts two locations: {what}.",
        (("other_town", "string", "second location"),),
        (
            "Is it better here or in {other} when it comes to {thing}?",
            "Set the two locations side by side, {other} and here: {thing}.",
        ),
    ),
    _Action(
        "complain",
        "Files a grievance relating to {what}.",
        (("text", "string", "what is wrong"),),
        ("I am angry with the people responsible for {thing}; tell them so.", "I have a grievance: {thing}."),
    ),
)
_JOINTS = (" Then, something else: ", " While you are at it: ", " And besides: ")
_TOOLS_PER_REQUEST = (1, 1, 1, 2, 2, 3)


def tool_rows() -> list[dict[str, str]]:
    """All tools, one for each domain and action; the same in every world."""
    return [
        {"id": _name(domain, action), "title": _name(domain, action), "text": _description(domain, action)}
        for domain in _DOMAINS
        for action in _ACTIONS
    ]


def request(region: Region, random: Random, *, test: bool) -> dict[str, Any]:
    """The query and gold ids of one request; test and training requests speak of different towns."""
    towns = [town.name for town in region.of_kind("town")][int(test) :: 2]
    people = [person.name for person in region.of_kind("person")]
    pairs = [(domain, action) for domain in _DOMAINS for action in _ACTIONS]
    chosen = random.sample(pairs, random.choice(_TOOLS_PER_REQUEST))
    wishes = []
    for domain, action in chosen:
        town, other = random.sample(towns, 2)
        values = {
            "thing": random.choice(domain.wishes).format(town=town),
            "other": other,
            "person": random.choice(people),
            "number": str(random.randrange(2, 90)),
            "year": str(random.randrange(1500, 1900)),
        }
        wishes.append(random.choice(action.wishes).format_map(values))
    return {
        "query": wishes[0] + "".join(random.choice(_JOINTS) + wish for wish in wishes[1:]),
        "pos": [_name(domain, action) for domain, action in chosen],
        "type": "one tool" if len(chosen) == 1 else "several tools",
    }


def _name(domain: _Domain, action: _Action) -> str:
    return f"{action.name}_{domain.name}"


def _description(domain: _Domain, action: _Action) -> str:
    fields = (("town", "string", "location"), *action.parameters)
    listed = "; ".join(f"{name} ({kind}): {meaning}" for name, kind, meaning in fields)
    return f"{action.does.format(what=domain.what)} Parameters: {listed}."
