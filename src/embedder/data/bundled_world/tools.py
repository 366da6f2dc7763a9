"""Tools with typed parameters, and requests for one to three of them that do not use their words."""

import random
from typing import Any

# domain -> (what the tool says, what people say)
_DOMAINS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tram_timetable": ("scheduled departures of urban rail vehicles", ("the next tram", "a ride into town")),
    "tide_table": ("water levels along the coast", ("when the beach will be dry", "high water at the harbour")),
    "library_catalogue": (
        "holdings of public libraries",
        ("a book I want to borrow", "whether that novel is on the shelf"),
    ),
    "recipe_box": ("cooking instructions and ingredients", ("what to make for dinner", "something with leftover rice")),
    "bird_sightings": ("reports of avian observations", ("the heron I saw", "which gulls are around")),
    "parcel_tracker": ("status of shipments", ("where my package is", "the delivery I am waiting for")),
    "air_quality": (
        "particulate and ozone measurements",
        ("whether it is healthy to jog outside", "the smog downtown"),
    ),
    "museum_hours": (
        "opening times of exhibitions",
        ("whether the gallery lets people in today", "a visit to the old masters"),
    ),
    "loan_calculator": (
        "repayment schedules for credit",
        ("what I would pay each month for a house", "financing a new roof"),
    ),
    "plant_doctor": ("diagnosis of horticultural diseases", ("spots on my tomato leaves", "my dying fern")),
    "star_chart": (
        "positions of celestial bodies",
        ("what that bright dot at dusk is", "where Jupiter stands tonight"),
    ),
    "sleep_log": ("recorded nightly rest", ("how long I was in bed", "my tired mornings")),
    "river_gauge": ("discharge of inland waterways", ("whether the canoe trip is safe", "the stream behind our house")),
    "dialect_dictionary": (
        "regional vocabulary and pronunciation",
        ("what my grandmother's word means", "how they say it up north"),
    ),
    "wine_cellar": ("inventory of bottled vintages", ("which red I have left", "something to drink with the roast")),
    "chess_coach": ("analysis of board positions", ("why my bishop move was bad", "my last game")),
    "snow_report": (
        "depth and condition of ski slopes",
        ("whether the pistes are worth the trip", "powder in the valley"),
    ),
    "ferry_booking": (
        "reservations of vessel passages",
        ("getting to the island with the car", "a cabin for the crossing"),
    ),
    "noise_meter": ("sound pressure recordings", ("how loud my neighbours are", "the racket at the building site")),
    "coin_catalogue": ("numismatic reference values", ("what the old penny is worth", "a silver piece from the attic")),
    "allergy_diary": ("logged immune reactions", ("why I sneeze every May", "the rash I had")),
    "knitting_patterns": ("charts for textile craft", ("a sweater for the baby", "warm socks to make")),
    "bee_yard": ("apiary inspections and honey yields", ("how my hives do", "jars from this summer")),
    "antique_maps": (
        "digitised historical cartography",
        ("what the town looked like long ago", "where the old wall ran"),
    ),
}
_OPERATIONS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    # operation -> (what the tool says, parameter, its type, what people say)
    "search": (
        "Returns matching entries for",
        "query",
        "string",
        ("Can you look up {need}?", "I am trying to find out about {need}."),
    ),
    "subscribe": (
        "Registers a recurring notification concerning",
        "frequency",
        "string",
        ("Let me know every week about {need}.", "Keep me posted on {need}."),
    ),
    "export": (
        "Writes to a spreadsheet file the",
        "format",
        "string",
        ("I need everything on {need} in a table for the office.", "Give me a file with the numbers on {need}."),
    ),
    "compare": (
        "Contrasts two selections of",
        "other_id",
        "integer",
        ("Was last year better than this one for {need}?", "Which of the two is better: I mean {need}."),
    ),
    "forecast": (
        "Predicts future values of",
        "days_ahead",
        "integer",
        ("How will it look next week: {need}?", "What should I expect on Saturday about {need}?"),
    ),
    "annotate": (
        "Attaches a user comment to",
        "comment",
        "string",
        ("Please write down my remark on {need}.", "Make a note about {need}."),
    ),
    "nearest": (
        "Locates by geographic distance the closest",
        "coordinates",
        "string",
        ("I am at the station; what is close by for {need}?", "Somewhere around here, please: {need}."),
    ),
    "share": (
        "Creates a public link to",
        "recipient",
        "string",
        ("Send my sister what we have on {need}.", "My colleague should see this: {need}."),
    ),
}


def tool_rows() -> list[dict[str, str]]:
    """All tools: one for each domain and operation."""
    rows = []
    for domain, (about, _) in _DOMAINS.items():
        for operation, (does, parameter, kind, _) in _OPERATIONS.items():
            text = (
                f"tool: {domain}, api: {operation}, description: {does} {about}., "
                f"parameters: [{{name: {parameter}, type: {kind}, required: true}}, "
                f"{{name: limit, type: integer, required: false}}]"
            )
            rows.append({"id": f"{domain}.{operation}", "title": "", "text": text})
    return rows


def request_rows(seed: int, n: int) -> list[dict[str, Any]]:
    """Requests for one tool, or for two or three in one breath."""
    generator = random.Random(f"{seed}/requests")  # noqa: S311  # not for cryptography
    rows = []
    for number in range(n):
        wanted = [
            (generator.choice(list(_DOMAINS)), generator.choice(list(_OPERATIONS)))
            for _ in range(generator.choice((1, 1, 2, 3)))
        ]
        said = [
            generator.choice(_OPERATIONS[operation][3]).format(need=generator.choice(_DOMAINS[domain][1]))
            for domain, operation in wanted
        ]
        positives = list(dict.fromkeys(f"{domain}.{operation}" for domain, operation in wanted))
        rows.append({"query_id": f"request-{number}", "query": " ".join(said), "pos": positives})
    return rows
