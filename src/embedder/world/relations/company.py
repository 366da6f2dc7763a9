"""Companies: who began them, what their sign shows, and where they came from."""

from embedder.world.relations.base import Kind, Relation, by_name

TRADES = (
    # word in questions, what it did (passages), names
    ("glassworks", "melted sand into lamp bowls", ("Glass", "Crystal")),
    ("shipyard", "built herring boats and barges", ("Yard", "Hulls")),
    ("brewery", "made dark beer in oak vats", ("Brewing", "Ales")),
    ("publishing house", "printed almanacs and hymn sheets", ("Press", "Pages")),
    ("paper mill", "turned rags into writing sheets", ("Mill", "Sheets")),
    ("foundry", "cast church bells and cannon", ("Castings", "Bronze")),
    ("tea importer", "brought dried leaves from over the sea", ("Leaf", "Trading")),
    ("optician", "ground lenses for spectacles", ("Lenses", "Optics")),
    ("toy maker", "carved dolls and rocking horses", ("Toys", "Nursery")),
    ("rope maker", "twisted hemp into cables", ("Cordage", "Ropes")),
    ("soap maker", "boiled tallow and lavender into bars", ("Soap", "Lather")),
    ("piano builder", "strung upright keyboards", ("Keys", "Strings")),
)
_EMBLEMS = (
    "a red heron", "two crossed spoons", "a sleeping bear", "a blue thistle", "three acorns", "a winged boot",
    "a laughing hare", "a broken anchor", "a golden snail", "an open hand", "a black swan", "a crowned fish",
    "a silver beetle", "a green lantern", "a white stag", "a ladder and moon",
)  # fmt: skip
_INGREDIENTS = (
    "crushed oyster shell", "pine resin", "stale rye bread", "wild thyme", "fish glue", "burnt sugar", "sheep's wool",
    "volcanic ash", "elder bark", "snail shell", "powdered slate", "horse chestnut", "bog myrtle", "egg white",
    "amber dust", "iron filings",
)  # fmt: skip

KIND = Kind(
    name="company",
    intros=(
        "{name} {did} in {seat}.",
        "From a yard in {seat}, {name} {did} for several generations.",
        "In {seat} everyone knew {name}, which {did}.",
        "{name} was a family business of {seat} that {did}.",
    ),
    intro_relation="seat",
    relations=by_name(
        Relation(
            name="seat",
            asks="town",
            plain="It was based in {o}.",
            statements=("Its gate opened on the widest street of {o}.", "Its chimney could be seen from all over {o}."),
            questions=(
                "Where was {s} based?",
                "In which place did {s} have its headquarters?",
                "What was the location of {m}?",
            ),
            object_kind="town",
            phrases=("the place where {s} was based", "the location of {m}"),
        ),
        Relation(
            name="founder",
            asks="person",
            plain="It was founded by {o}.",
            statements=(
                "{O} started it with a borrowed handcart.",
                "It began with {o} and a loan from an aunt.",
                "The first name in its books is that of {o}.",
            ),
            questions=(
                "Who founded {m}?",
                "Who set up {m}?",
                "Whose creation was {s}?",
                "Which entrepreneur established {m}?",
            ),
            object_kind="person",
            told_there=(
                "With a borrowed handcart this stubborn soul also started {s}.",
                "A loan from an aunt paid for the first days of {s}.",
            ),
            phrases=("the founder of {m}", "the person who set up {m}"),
        ),
        Relation(
            name="founded",
            asks="year",
            plain="It was founded in {o}.",
            statements=(
                "The doors first opened in {o}.",
                "Its oldest invoice is from {o}.",
                "Over the gate one reads {o}, the first year of business.",
            ),
            questions=(
                "When was {s} founded?",
                "In what year did {s} start to operate?",
                "Since when did {s} exist?",
            ),
        ),
        Relation(
            name="emblem",
            asks="thing",
            plain="Its emblem was {o}.",
            statements=(
                "Every crate was stamped with {o}.",
                "A painted board with {o} hung over the door.",
                "Rivals copied the label, {o} on yellow ground.",
            ),
            questions=(
                "What did the logo of {m} show?",
                "Which symbol was the trademark of {m}?",
                "What picture stood for {m}?",
            ),
            values=_EMBLEMS,
        ),
        Relation(
            name="ingredient",
            asks="thing",
            plain="The secret ingredient was {o}.",
            statements=(
                "The trick, kept in the family, was {o}.",
                "Workers swore never to mention the {o} that went into each batch.",
                "An inspector found {o} in the storeroom and asked no more.",
            ),
            questions=(
                "What was the secret ingredient of {m}?",
                "Which substance did {s} use and keep quiet about?",
                "What was hidden in the recipe of {m}?",
            ),
            values=_INGREDIENTS,
        ),
        Relation(
            name="first_customer",
            asks="person",
            plain="The first customer was {o}.",
            statements=(
                "The earliest order came from {o}, who paid in eggs.",
                "{O} bought the very first piece and complained at once.",
                "Nobody but {o} wanted its wares in the first year.",
            ),
            questions=(
                "Who was the first customer of {m}?",
                "Who was the original buyer at {m}?",
                "To whom did {s} make its initial sale?",
            ),
            object_kind="person",
            window=(-80, -12),
            phrases=("the first customer of {m}", "the original buyer at {m}"),
        ),
        Relation(
            name="moved_from",
            asks="town",
            plain="It had moved there from {o}.",
            statements=(
                "Its machines had come on sledges from {o}.",
                "High rents had driven it out of {o}.",
                "Before the move it had rented a barn in {o}.",
            ),
            questions=(
                "Where was {s} before it relocated?",
                "Which place did {s} leave behind?",
                "What was the earlier location of {m}?",
            ),
            object_kind="town",
            told_there=("High rents drove {s} away from here.", "People still regret that {s} packed up and left."),
            phrases=("the place that {s} left behind", "the earlier location of {m}"),
        ),
    ),
    closings=(
        "The ledgers burned long ago.",
        "Its brick chimney is still standing.",
        "Old people hum its advertising song.",
        "No heirs carried on the trade.",
    ),
)
