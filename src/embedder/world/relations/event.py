"""Events: floods, strikes, races and eclipses, each remembered by a town."""

from embedder.world.relations.base import Kind, Relation, by_name

TYPES = (
    # name, what happened (passages), how questions describe it
    ("Flood", "put the lower streets under water", "the time the water entered {place}"),
    ("Great Fire", "left only chimneys standing in three lanes", "the blaze that burned {place}"),
    ("Lantern Strike", "kept every street lamp dark", "the walkout of the lamplighters in {place}"),
    ("Goose Race", "sent sixty birds down the high street", "the bird contest in {place}"),
    ("Siege", "closed the gates to friend and foe", "the encirclement of {place} by an army"),
    ("Bread Riot", "began with a broken bakery window", "the unrest over food in {place}"),
    ("Long Frost", "froze ink and wine alike", "the extreme cold in {place}"),
    ("Bell Theft", "left the belfry empty overnight", "the robbery of the church tower of {place}"),
    ("Silk Fair", "brought merchants from five valleys", "the cloth market held in {place}"),
    ("Landslip", "buried the upper vineyards in mud", "the sliding of the hill at {place}"),
    ("Duel", "ended with two hats in the mud", "the fight between two gentlemen in {place}"),
    ("Chess Congress", "filled every inn with silent guests", "the board game tournament in {place}"),
)
_CAUSES = (
    "a stuck sluice", "a forged letter", "a dropped candle", "a wager", "a new tax", "a cracked dam", "a wrong date",
    "an unpaid bill", "a lost key", "a false rumour", "a drunken guard", "a swarm of bees", "a burst boiler",
    "a misread map", "a jealous cousin", "a comet",
)  # fmt: skip
_DURATIONS = (
    "two hours", "nine days", "three weeks", "one afternoon", "forty days", "eleven nights", "six months", "half a day",
    "five weeks", "two winters", "a single night", "thirteen days",
)  # fmt: skip
_MEMORIALS = (
    "a bronze goose", "an empty chair", "a marble boot", "a row of lindens", "a cracked bell", "an iron ladder",
    "a stone lantern", "a painted door", "a brass key", "a wooden gate", "a granite loaf", "a blue window",
)  # fmt: skip

KIND = Kind(
    name="event",
    intros=(
        "The {name} {did}.",
        "Every family has a tale of the {name}, which {did}.",
        "The {name} came without warning; it {did}.",
        "Chronicles give a full page to the {name}, which {did}.",
    ),
    intro_relation="",
    relations=by_name(
        Relation(
            name="year",
            asks="year",
            plain="It happened in {o}.",
            statements=(
                "It is entered under {o} in the chronicle.",
                "Those who lived through {o} never forgot it.",
                "The parish clock stopped that day, in {o}.",
            ),
            questions=(
                "When did {s} happen?",
                "What year saw {m}?",
                "What is the date of {m}?",
            ),
        ),
        Relation(
            name="hero",
            asks="person",
            plain="The hero of the day was {o}.",
            statements=(
                "{O} kept a cool head and saved what could be saved.",
                "The crowd carried {o} home on its shoulders.",
                "Songs praise {o}, who stepped forward when others ran.",
            ),
            questions=(
                "Who was the hero of {m}?",
                "Which person was most admired in {m}?",
                "Who distinguished themselves at {m}?",
            ),
            object_kind="person",
            told_there=(
                "A crowd cheered this brave figure after the {name}.",
                "Songs about the {name} mention no other name with such warmth.",
            ),
            phrases=("the hero of {m}", "the person most admired in {m}"),
        ),
        Relation(
            name="cause",
            asks="thing",
            plain="It was caused by {o}.",
            statements=(
                "It had all begun with {o}.",
                "A later inquiry blamed {o}.",
                "Few would have thought that {o} could do so much.",
            ),
            questions=(
                "What caused {m}?",
                "What was the reason for {m}?",
                "What triggered {m}?",
            ),
            values=_CAUSES,
        ),
        Relation(
            name="duration",
            asks="thing",
            plain="It lasted {o}.",
            statements=(
                "After {o} it was over.",
                "It went on for {o}.",
                "For {o} nobody in the streets slept well.",
            ),
            questions=(
                "How long did {s} last?",
                "What was the duration of {m}?",
                "How much time passed until {s} ended?",
            ),
            values=_DURATIONS,
        ),
        Relation(
            name="memorial",
            asks="thing",
            plain="It is commemorated by {o}.",
            statements=(
                "Today {o} recalls it.",
                "The council put up {o} so that nobody forgets.",
                "Children leave flowers at {o} on the day.",
            ),
            questions=(
                "What commemorates {m}?",
                "Which monument reminds people of {m}?",
                "What was erected in memory of {m}?",
            ),
            values=_MEMORIALS,
        ),
        Relation(
            name="payer",
            asks="company",
            plain="The costs were paid by {o}.",
            statements=(
                "The bill was settled by {o}, with some noise.",
                "In the end {o} opened its purse for the costs.",
                "Nobody but {o} gave money afterwards.",
            ),
            questions=(
                "Which firm covered the expenses of {m}?",
                "Who paid for the consequences of {m}?",
                "Which business financed what {s} required?",
            ),
            object_kind="company",
            window=(-150, -1),
            told_there=(
                "Out of its own purse it settled the bill for the {name}.",
                "After the {name} it was the only one to give money.",
            ),
            phrases=("the firm that covered the expenses of {m}", "the business that paid for {m}"),
        ),
    ),
    closings=(
        "Some say it was exaggerated.",
        "A broadsheet about it sold out in an hour.",
        "The exact order of things is disputed.",
        "Grandparents still tell it by the stove.",
    ),
)
