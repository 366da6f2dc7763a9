"""Word the facts of an entity as an encyclopedia passage, never twice in the same way."""

import random

from embedder.data.bundled_world.facts import Entity

_SENTENCES: dict[str, dict[str, tuple[str, ...]]] = {
    "place": {
        "landmark": (
            "Visitors come for its {landmark}, which was finished in {finished} and is made of {material}.",
            "The town is proud of a {landmark} of {material}, completed in {finished}.",
            "Its {landmark}, built from {material}, has stood there since {finished}.",
        ),
        "designer": (
            "The plans for it were drawn by {designer}.",
            "{designer} was the one who designed it.",
            "It is the work of {designer}, who never saw it completed.",
        ),
        "inhabitants": (
            "About {inhabitants} people live there.",
            "The last census counted {inhabitants} souls.",
            "With {inhabitants} residents it is neither large nor small for the region.",
        ),
    },
    "person": {
        "life": (
            "{name} ({born} to {died}) was a {profession}.",
            "The {profession} {name} lived from {born} to {died}.",
            "{name}, a {profession}, was born in {born} and died in {died}.",
        ),
        "birthplace": (
            "A native of {birthplace}, this {profession} grew up among fishermen and clerks.",
            "The family house stood in {birthplace}, where the {profession} first saw the light of day.",
            "{birthplace} was the cradle of the later {profession}.",
        ),
        "studied": (
            "The years of study were spent in {studied} under {teacher}.",
            "{teacher} gave lessons to the young talent at {studied}.",
            "An apprenticeship with {teacher} in {studied} decided everything that followed.",
        ),
    },
    "work": {
        "what": (
            "{name} is a {form} about {theme}.",
            "{theme_cap} is the subject of {name}, a {form}.",
            "The {form} {name} tells of {theme}.",
        ),
        "author": (
            "It came from the pen and hand of {author}.",
            "{author} worked on it for seven years.",
            "Its creator, {author}, refused all payment for it.",
        ),
        "published": (
            "The public first met it in {premiere} in {published}.",
            "It was presented at {premiere} in {published} before a full house.",
            "In {published} it was shown for the first time, in {premiere}.",
        ),
    },
    "company": {
        "product": (
            "{name} makes {product}.",
            "Most households know {name} for its {product}.",
            "{name} grew rich on {product}.",
        ),
        "founder": (
            "The firm was started by {founder} in {founded}.",
            "{founder} opened the first workshop in {founded}.",
            "Its history begins in {founded}, when {founder} rented a shed.",
        ),
        "seat": (
            "Its head office, with {staff} employees, is in {seat}.",
            "From {seat}, {staff} workers send their goods abroad.",
            "The {staff} people on its payroll live mostly around {seat}.",
        ),
    },
    "event": {
        "what": (
            "The {name} took place in {site} in {year}.",
            "{site} saw the {name} in {year}.",
            "In {year} the {name} made {site} known far away.",
        ),
        "cause": (
            "It was brought about by {cause} and lasted {days}.",
            "Behind it was {cause}; after {days} it was over.",
            "Chroniclers blame {cause} and speak of {days}.",
        ),
        "leader": (
            "At its head stood {leader}.",
            "{leader} took charge of it.",
            "The crowds followed {leader}.",
        ),
    },
    "discovery": {
        "what": (
            "{name} is a {kind} that is used for {use}.",
            "Used today for {use}, {name} is a {kind}.",
            "The {kind} called {name} serves for {use}.",
        ),
        "finder": (
            "{finder} came upon it in {year}.",
            "Credit for it belongs to {finder}, whose notes are dated {year}.",
            "It was first described in {year} by {finder}.",
        ),
        "found_at": (
            "The first sample was collected near {found_at}.",
            "It turned up on a hillside outside {found_at}.",
            "{found_at} is where the earliest specimen comes from.",
        ),
    },
}
_FILLERS = (
    "Little else is recorded with certainty.",
    "Local guides like to tell the story at length.",
    "A small museum keeps papers on the matter.",
    "Older books give a different account, now thought to be mistaken.",
    "The archive was damaged by damp, and some pages are lost.",
    "Schoolchildren of the area learn about it to this day.",
    "A commemorative stamp was issued much later.",
)


def passage(entity: Entity, generator: random.Random) -> str:
    """Three sentences of facts, the naming one first, and one or two others of little use."""
    values = {**entity.facts, **{relation: other.name for relation, other in entity.links.items()}, "name": entity.name}
    if "theme" in values:
        values["theme_cap"] = values["theme"][0].upper() + values["theme"][1:]
    sentences = [generator.choice(choices).format(**values) for choices in _SENTENCES[entity.kind].values()]
    if entity.kind == "place":
        sentences[:0] = [generator.choice(_PLACE_OPENINGS).format(**values)]
    else:
        head, *rest = sentences
        generator.shuffle(rest)
        sentences = [head, *rest]
    sentences.insert(
        generator.randrange(1, len(sentences) + 1) if entity.kind != "place" else len(sentences),
        generator.choice(_FILLERS),
    )
    if entity.kind in ("person", "discovery") and generator.random() < 0.3:
        sentences.append(f"{next(iter(entity.links.values())).name} has a street of that name.")
    return " ".join(sentences)


_PLACE_OPENINGS = (
    "{name} is a town on the river.",
    "{name} lies half a day from the coast.",
    "Among the hill towns, {name} is the best known.",
    "{name} received its charter late.",
)
