"""Works: books, operas, tapestries and maps, with near-identical titles."""

from embedder.world.relations.base import Kind, Relation, by_name

FORMS = (
    # word in passages, another in questions, how it was made
    ("opera", "piece of music theatre", "composed"),
    ("novel", "long story in prose", "wrote"),
    ("ballad", "sung poem", "wrote"),
    ("tapestry", "woven picture", "designed"),
    ("comedy", "funny play", "wrote"),
    ("atlas", "collection of maps", "drew"),
    ("cookery book", "volume of recipes", "compiled"),
    ("fresco", "wall painting", "painted"),
    ("treatise", "scholarly text", "wrote"),
    ("dictionary", "list of words", "compiled"),
)
TITLE_PATTERNS = (
    "The Bells of {place}", "The Bell of {place}", "A Winter in {place}", "Winters of {place}", "The {place} Garden",
    "The Gardener of {place}", "Farewell to {place}", "The Road to {place}", "The Roads from {place}",
    "Three Days in {place}", "The Widow of {place}", "The Widower of {place}", "{place} by Night",
    "The Night of {place}", "The Lamps of {place}", "Letters from {place}", "A Letter to {place}",
    "The Thief of {place}",
)  # fmt: skip
_MEDIA = (
    "birch bark", "green ink", "nettle silk", "red chalk", "pressed tin", "goat parchment", "silver thread",
    "soot ink", "rice paper", "walnut dye", "blue wool", "copper plates", "beeswax tablets", "crushed shell",
    "horsehair", "oak panels",
)  # fmt: skip

KIND = Kind(
    name="work",
    intros=(
        '"{name}" is {a_form} by {creator}.',
        '{creator} {made} "{name}", {a_form} that divided its public.',
        '"{name}", {a_form}, is the best known achievement of {creator}.',
        'Few pieces are quoted as often as "{name}", {a_form} from the hand of {creator}.',
    ),
    intro_relation="creator",
    relations=by_name(
        Relation(
            name="creator",
            asks="person",
            plain="It was created by {o}.",
            statements=("{O} never explained why {s} had been made.", "The hand of {o} shows in every part of {m}."),
            questions=(
                "Who created {m}?",
                "Whose work is {s}?",
                "To whom do we owe {m}?",
                "Who is the author of {m}?",
            ),
            object_kind="person",
            phrases=("the author of {m}", "the person who created {m}"),
        ),
        Relation(
            name="completed",
            asks="year",
            plain="It was completed in {o}.",
            statements=(
                "The last touches were added in {o}.",
                "It was finished in {o}, nine years late.",
                "A note on the back gives {o} as the year of delivery.",
            ),
            questions=(
                "When was {s} completed?",
                "In which year did {s} become ready?",
                "What is the date of {m}?",
            ),
        ),
        Relation(
            name="setting",
            asks="town",
            plain="It is set in {o}.",
            statements=(
                "All of it takes place in {o}, on a single night.",
                "It shows {o} in the year of the great drought.",
                "Its scenes are those of {o}, street by street.",
            ),
            questions=(
                "Where is {s} set?",
                "Which location is depicted in {m}?",
                "What place is {s} about?",
            ),
            object_kind="town",
            told_there=('"{name}" takes place within its walls.', 'Readers of "{name}" come to see the real streets.'),
            phrases=("the place depicted in {m}", "the place where {s} is set"),
        ),
        Relation(
            name="dedicatee",
            asks="person",
            plain="It is dedicated to {o}.",
            statements=(
                "The opening line thanks {o}, without a reason.",
                "It bears the words 'for {o}, who waited'.",
                "It was meant as a present for {o}.",
            ),
            questions=(
                "To whom is {s} dedicated?",
                "In whose honour was {s} made?",
                "Who received {m} as a gift?",
            ),
            object_kind="person",
            window=(-110, -8),
            told_there=(
                'The front page of "{name}" thanks this neighbour by name.',
                'A friend offered "{name}" as a gift.',
            ),
            phrases=("the person to whom {s} is dedicated", "the person in whose honour {s} was made"),
        ),
        Relation(
            name="medium",
            asks="thing",
            plain="It is made of {o}.",
            statements=(
                "The original is done in {o}, now badly faded.",
                "Its maker used {o}, since money was short.",
                "Experts admire the {o} more than the content.",
            ),
            questions=(
                "What material was used for {m}?",
                "Of what does {s} physically consist?",
                "With which substance was {s} produced?",
            ),
            values=_MEDIA,
        ),
        Relation(
            name="kept_in",
            asks="town",
            plain="It is kept in {o}.",
            statements=(
                "Today it hangs under glass in {o}.",
                "The only surviving copy lies in {o}.",
                "After two thefts it was locked away in {o}.",
            ),
            questions=(
                "Where is {s} preserved?",
                "Which place houses {m} now?",
                "Where must one travel to see {m}?",
            ),
            object_kind="town",
            told_there=(
                'Its town hall guards the only copy of "{name}".',
                'Behind glass in the council room lies "{name}".',
            ),
            phrases=("the place where {s} is preserved", "the place that houses {m}"),
        ),
        Relation(
            name="inspired_by",
            asks="event",
            plain="It was inspired by {o}.",
            statements=(
                "The idea came from {o}, which its maker had seen as a child or heard told.",
                "Without {o} it would never have been begun.",
                "Behind every figure stands the memory of {o}.",
            ),
            questions=(
                "What occurrence inspired {m}?",
                "Which incident gave rise to {m}?",
                "What happening is the source of {m}?",
            ),
            object_kind="event",
            window=(-90, -1),
            phrases=("the incident that inspired {m}", "the occurrence behind {m}"),
        ),
    ),
    closings=(
        "Copies are rare.",
        "Critics called it too long.",
        "Schoolchildren still learn parts of it by heart.",
        "A forged version was sold twice.",
    ),
)
