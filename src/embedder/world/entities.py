"""The entities of one region, made kind by kind, with names and descriptions that are easily mixed up yet unique."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from embedder.world.names import NameSupply, first_names, near_word
from embedder.world.phrase_files import phrases
from embedder.world.seeds import seeded

PHRASES = phrases("entities")
_PERCENT = {"town": 14, "company": 12, "event": 12, "work": 14, "discovery": 12}  # the rest are people
_NEAR_WORD = 0.4  # share of the companies and discoveries whose name is nearly that of the one before
_EPITHET = 0.5


@dataclass(slots=True)
class Entity:
    """A person, town, work, company, event or discovery.

    Args:
        kind: Key of `relations.KINDS`.
        index: Position in the region; also that of its passage.
        name: Unique in the world.
        mention: The name as it stands in running text.
        noun: A word that may replace the name ("potter").
        year: Birth, foundation or happening.
        traits: Words for the first sentence of its passage.
        fixed: Entities that follow from how it was made, by relation.
        descriptions: Phrases that fit no other entity of the world and do not contain its name.
        pronouns: Subject, possessive, object.
    """

    kind: str
    index: int
    name: str
    mention: str
    noun: str
    year: int
    traits: dict[str, str]
    fixed: dict[str, int] = field(default_factory=dict)
    descriptions: tuple[str, ...] = ()
    pronouns: tuple[str, str, str] = ("it", "its", "it")


def make_entities(seed: int, region: int, size: int) -> list[Entity]:
    """All entities of a region; a pure function of its arguments.

    Args:
        seed: Of the world.
        region: Number of the region, from 0.
        size: Number of entities, 100 to 199.
    """
    draft = _Draft(seeded(seed, region, "entities"), NameSupply(seed, region))
    counts = {kind: size * percent // 100 for kind, percent in _PERCENT.items()}
    _make_towns(draft, counts["town"])
    heads = {female: first_names(seed, region, size, female=female) for female in (False, True)}
    _make_people(draft, size - sum(counts.values()), heads)
    _make_companies(draft, counts["company"])
    _make_events(draft, counts["event"])
    _make_works(draft, counts["work"])
    _make_discoveries(draft, counts["discovery"])
    return draft.entities


@dataclass(slots=True)
class _Draft:
    """A region in the making."""

    random: Random
    names: NameSupply
    entities: list[Entity] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)
    word: str = ""

    def add(self, kind: str, name: str, mention: str, noun: str, year: int, traits: dict[str, str]) -> Entity:
        entity = Entity(kind, len(self.entities), name, mention, noun, year, traits)
        self.entities.append(entity)
        return entity

    def of_kind(self, kind: str) -> list[Entity]:
        return [entity for entity in self.entities if entity.kind == kind]

    def unused(self, words: Iterable[str], owner: str) -> str:
        """One of the words that this owner does not have yet."""
        word = self.random.choice([word for word in words if (word, owner) not in self.used])
        self.used.add((word, owner))
        return word

    def near_or_new_word(self) -> str:
        """Often a word that is nearly the one handed out before."""
        again = self.word and self.random.random() < _NEAR_WORD
        result = near_word(self.word) if again else self.names.word()
        self.word = "" if again else result
        return result


def _make_towns(draft: _Draft, count: int) -> None:
    random = draft.random
    rivers = [draft.names.word() for _ in range(max(3, count // 4))]
    names: list[str] = []
    while len(names) < count:
        root = draft.names.word()
        doubles = (near_word(root), f"East {root}", f"Upper {root}", f"{root} Ford", f"Little {root}")
        names += [root, *random.sample(doubles, random.randrange(3))]
    for name in names[:count]:
        river = random.choice(rivers)
        landmark = draft.unused(PHRASES.landmarks, river)
        traits = {"name": name, "river": river, "landmark": PHRASES.landmarks[landmark]}
        entity = draft.add("town", name, name, "town", 900 + random.randrange(400), traits)
        entity.descriptions = (
            f"the {landmark} town on the {river}",
            f"the place with the {landmark} beside the {river}",
        )


def _make_people(draft: _Draft, count: int, first: dict[bool, list[tuple[str, str]]]) -> None:
    random, trades = draft.random, PHRASES.trades
    homes = {home.name: home for home in draft.of_kind("town")}
    epithets = random.sample(PHRASES.epithets, len(PHRASES.epithets))
    epoch = 1480 + random.randrange(300)
    while count:
        surname = draft.names.word()
        is_she = random.random() < 0.5
        family_trade = random.choice(list(trades))
        # The first two are nearly one name in one trade; their relatives have other first names and trades.
        family = [(one, is_she) for one in random.choice(first[is_she])]
        family += [(one, not is_she) for one in random.choice(first[not is_she])]
        for i, (first_name, she) in enumerate(family[: min(count, random.randrange(2, 5))]):
            noun = family_trade if i < 2 else random.choice(list(trades))
            home = homes[draft.unused(homes, noun)]
            epithet = epithets.pop() if epithets and random.random() < _EPITHET else ""
            name = f"{first_name} {surname}"
            traits = {
                "name": name,
                "a_noun": with_article(noun),
                "deed": trades[noun]["deed"],
                "home": home.name,
                "aside": f", called {epithet}," if epithet else "",
                "pause": f", called {epithet}," if epithet else ",",
            }
            entity = draft.add("person", name, name, noun, epoch + random.randrange(140), traits)
            entity.fixed = {"home": home.index}
            entity.pronouns = ("she", "her", "her") if she else ("he", "his", "him")
            synonym = trades[noun]["synonym"]
            entity.descriptions = (f"the {synonym} of {home.name}", f"the {synonym} who worked in {home.name}")
            if epithet:
                entity.descriptions += (f"the person known in {home.name} as {epithet}",)
            count -= 1


def _make_companies(draft: _Draft, count: int) -> None:
    random, towns, people = draft.random, draft.of_kind("town"), draft.of_kind("person")
    for _ in range(count):
        seat, founder = random.choice(towns), random.choice(people)
        trade = draft.unused(PHRASES.companies, seat.name)
        business = PHRASES.companies[trade]
        name = f"{draft.near_or_new_word()} {random.choice(business['suffixes'])}"
        year = founder.year + random.randrange(22, 55)
        traits = {"name": name, "did": business["did"], "seat": seat.name}
        entity = draft.add("company", name, name, "firm", year, traits)
        entity.fixed = {"seat": seat.index, "founder": founder.index}
        entity.descriptions = (f"the {trade} of {seat.name}", f"the {trade} based in {seat.name}")


def _make_events(draft: _Draft, count: int) -> None:
    random, towns, people = draft.random, draft.of_kind("town"), draft.of_kind("person")
    for _ in range(count):
        place, hero = random.choice(towns), random.choice(people)
        kind = draft.unused(PHRASES.events, place.name)
        name = f"{kind} of {place.name}"
        year = hero.year + random.randrange(15, 60)
        traits = {"name": name, "did": PHRASES.events[kind]["did"]}
        entity = draft.add("event", name, f"the {name}", "event", year, traits)
        entity.fixed = {"hero": hero.index}
        entity.descriptions = (PHRASES.events[kind]["description"].format(place=place.name),)


def _make_works(draft: _Draft, count: int) -> None:
    random, towns, people = draft.random, draft.of_kind("town"), draft.of_kind("person")
    for _ in range(count):
        creator, place = random.choice(people), random.choice(towns)
        name = draft.unused(PHRASES.titles, place.name).format(place=place.name)
        form = draft.unused(PHRASES.forms, creator.name)
        synonym, made = PHRASES.forms[form]["synonym"], PHRASES.forms[form]["made"]
        traits = {"name": name, "a_form": with_article(form), "creator": creator.name, "made": made}
        entity = draft.add("work", name, f'"{name}"', form, creator.year + random.randrange(22, 60), traits)
        entity.fixed = {"creator": creator.index}
        entity.descriptions = (f"the {synonym} by {creator.name}", f"the {synonym} that {creator.name} {made}")


def _make_discoveries(draft: _Draft, count: int) -> None:
    random, people = draft.random, draft.of_kind("person")
    for _ in range(count):
        finder = random.choice(people)
        noun = draft.unused(PHRASES.discoveries, finder.name)
        name = PHRASES.discoveries[noun]["name"].format(word=draft.near_or_new_word())
        mention = name if noun == "comet" else f"the {name}"
        traits = {"name": mention, "a_noun": with_article(noun), "finder": finder.name}
        entity = draft.add("discovery", name, mention, noun, finder.year + random.randrange(20, 60), traits)
        entity.fixed = {"finder": finder.index}
        synonym = PHRASES.discoveries[noun]["synonym"]
        entity.descriptions = (f"the {synonym} that {finder.name} found", f"the {synonym} first seen by {finder.name}")


def with_article(noun: str) -> str:
    """`a` or `an` in front of a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
