"""People: trades, teachers, grudges, and the small things that are remembered of them."""

from embedder.world.relations.base import Kind, Relation, by_name

TRADES = (
    # noun in passages, what they did, other word in questions
    ("potter", "shaped bowls and jars from river clay", "ceramic artist"),
    ("cartographer", "drew charts of coasts and hidden paths", "map-maker"),
    ("clockmaker", "built tower clocks and pocket watches", "specialist in timepieces"),
    ("physician", "healed fevers and set broken bones", "doctor"),
    ("beekeeper", "kept forty hives and sold honey", "apiarist"),
    ("bookbinder", "stitched and covered books", "maker of volumes"),
    ("cook", "ran the kitchen of the old inn", "chef"),
    ("lute maker", "carved and strung lutes", "builder of stringed instruments"),
    ("botanist", "collected and pressed wild plants", "plant scholar"),
    ("ferry pilot", "steered boats across the water", "boatman"),
    ("weaver", "made cloth on a tall loom", "textile worker"),
    ("astronomer", "watched the sky from a roof", "stargazer"),
    ("schoolmaster", "taught children to read and count", "educator"),
    ("notary", "wrote wills and deeds for half the valley", "lawyer"),
    ("perfumer", "mixed scents from petals and resin", "blender of fragrances"),
    ("stonemason", "cut blocks and built arches", "builder in rock"),
    ("actor", "played kings and fools on wooden stages", "stage performer"),
    ("falconer", "trained hawks for the hunt", "handler of birds of prey"),
)

EPITHETS = (
    "the Heron", "the Grey Owl", "Candlestick", "the Quiet One", "Two Hats", "the Ferret", "Old Thunder", "the Comma",
    "the Winter Guest", "Saltfoot", "the Second Moon", "Tin Whistle", "the Long Shadow", "Crumbs", "the Late Bell",
    "Ironthumb", "the Borrowed Coat", "Moss", "the Unfinished", "Halfpenny", "the Left Oar", "Inkwell", "the Thistle",
    "Slow Match",
)  # fmt: skip

_INSTRUMENTS = (
    "zither", "bagpipes", "viola", "hurdy-gurdy", "cornet", "tin flute", "harp", "kettle drum", "accordion", "oboe",
    "mandolin", "glass harmonica", "trombone", "dulcimer", "bassoon", "church organ",
)  # fmt: skip
_PETS = (
    "tame badger", "one-eyed goat", "white raven", "blind mule", "tortoise", "pair of otters", "hedgehog", "peacock",
    "lame fox", "talking starling", "wolfhound", "jackdaw", "marten", "grey goose", "piebald pony", "barn owl",
)  # fmt: skip
_FEARS = (
    "thunder", "deep water", "spiders", "mirrors", "open windows", "church bells", "moths", "heights", "the dark",
    "horses", "fire", "cats", "ladders", "crowds", "fog", "snakes",
)  # fmt: skip
_FAVOURITES = (
    "plum dumplings", "smoked eel", "onion tart", "barley pudding", "pickled walnuts", "goat cheese", "pea soup",
    "rye pancakes", "quince jelly", "stuffed cabbage", "honey cake", "fried trout", "nettle broth", "poppy rolls",
    "baked pears", "sour cherries",
)  # fmt: skip

KIND = Kind(
    name="person",
    intros=(
        "{name}{aside} was {a_noun} in {home}.",
        "{name}{aside} {deed} in {home}.",
        "In {home} they still speak of {name}{pause} who {deed}.",
        "For forty years {name}{aside} {deed} in {home}.",
        "The old register of {home} lists {name}{aside} as {a_noun}.",
    ),
    intro_relation="home",
    relations=by_name(
        Relation(
            name="home",
            asks="town",
            plain="{S} lived and worked in {o}.",
            statements=(
                "{S} {deed} in {o}.",
                "{P} workroom looked out on the main square of {o}.",
                "Anyone who needed {m} had to travel to {o}.",
            ),
            questions=(
                "Where did {s} make a living?",
                "In which place did {s} settle and earn money?",
                "What was the place of residence of {m}?",
                "In which place could one find {m} at work?",
            ),
            object_kind="town",
            phrases=("the place where {s} made a living", "the place of residence of {m}"),
        ),
        Relation(
            name="birth_year",
            asks="year",
            plain="{S} was born in {o}.",
            statements=(
                "{S} first saw daylight in {o}.",
                "{P} mother brought {m} into the world in the spring of {o}.",
                "The midwife's book has {p} name under {o}.",
                "{P} cradle was carved in {o}.",
            ),
            questions=(
                "When was {s} born?",
                "In what year did the life of {m} begin?",
                "What is the birth date of {m}, to the year?",
                "Since which year was {s} alive?",
            ),
        ),
        Relation(
            name="birthplace",
            asks="town",
            plain="{S} was born in {o}.",
            statements=(
                "{S} had grown up in {o}, the youngest of five.",
                "{S} spent {p} first winters in {o}.",
                "{P} cradle stood above a bakery in {o}.",
                "{S} was a child of {o} and never lost its accent.",
            ),
            questions=(
                "Where was {s} born?",
                "What is the birthplace of {m}?",
                "From which place did {s} originally come?",
                "In which place did {s} come into the world?",
            ),
            object_kind="town",
            told_there=(
                "Among those who took their first steps here is {s}.",
                "A plaque near the well marks the house in which {s} was an infant.",
                "It gave the world {s}, as the schoolbooks never forget to say.",
            ),
            phrases=("the place where {s} was born", "the birthplace of {m}"),
        ),
        Relation(
            name="teacher",
            asks="person",
            plain="{P} teacher was {o}.",
            statements=(
                "{S} had learned everything at the side of {o}.",
                "Seven years as an apprentice of {o} had given {m} steady hands.",
                "{S} owed {p} skill to the patience of {o}.",
                "{O} took {m} in as a pupil.",
            ),
            questions=(
                "Who taught {m}?",
                "Who was the mentor of {m}?",
                "Under whom did {s} study?",
                "Who gave lessons to {m}?",
            ),
            object_kind="person",
            window=(-70, -15),
            told_there=(
                "The best known apprentice of the house was {s}.",
                "Young {s} came as a pupil and stayed seven years.",
            ),
            phrases=("the mentor of {m}", "the person who taught {m}", "the one under whom {s} studied"),
        ),
        Relation(
            name="grudge",
            asks="person",
            plain="{S} hated {o}.",
            statements=(
                "{S} never forgave {o} for keeping a borrowed tool.",
                "{S} could not hear the name of {o} without leaving the room.",
                "A lawsuit against {o} ate up {p} savings.",
                "{S} would not sit in one church with {o}.",
            ),
            questions=(
                "Whom did {s} hate?",
                "Against whom did {s} feel bitter?",
                "Which person did {s} dislike most?",
                "Who was loathed by {m}?",
            ),
            object_kind="person",
            window=(-30, 30),
            phrases=("the person whom {s} hated", "the person whom {s} disliked most"),
        ),
        Relation(
            name="employer",
            asks="company",
            plain="{S} worked for {o}.",
            statements=(
                "In lean years {s} took wages from {o}.",
                "{S} drew a small salary from {o} until old age.",
                "Half of {p} week belonged to {o}.",
            ),
            questions=(
                "Which firm gave work to {m}?",
                "For which business did {s} have a job?",
                "On whose payroll was {s}?",
                "Which enterprise employed {m}?",
            ),
            object_kind="company",
            window=(-200, 45),
            told_there=("On its payroll stood {s}, who came in twice a week.", "It paid {s} by the hour, and late."),
            phrases=("the firm that gave work to {m}", "the business that employed {m}"),
        ),
        Relation(
            name="instrument",
            asks="thing",
            plain="{S} played the {o}.",
            statements=(
                "On feast days {s} played the {o}.",
                "{S} practised the {o} at night, to the grief of the street.",
                "An old {o} hung over {p} bed, worn from use.",
            ),
            questions=(
                "What did {s} make music on?",
                "Which musical instrument belonged to {m}?",
                "On what could {s} perform a tune?",
            ),
            values=_INSTRUMENTS,
        ),
        Relation(
            name="pet",
            asks="thing",
            plain="{S} kept a {o}.",
            statements=(
                "A {o} followed {m} everywhere.",
                "{S} shared {p} rooms with a {o}.",
                "{P} only companion in the evenings was a {o}.",
            ),
            questions=(
                "Which animal did {s} keep?",
                "What was the pet of {m}?",
                "What creature lived with {m}?",
            ),
            values=_PETS,
        ),
        Relation(
            name="fear",
            asks="thing",
            plain="{S} was afraid of {o}.",
            statements=(
                "Brave in most things, {s} trembled at {o}.",
                "Nothing but {o} could make {m} turn pale.",
                "Children knew that {o} would drive {m} from any room.",
            ),
            questions=(
                "What was {s} afraid of?",
                "What scared {m}?",
                "Which phobia did {s} have?",
                "What did {s} dread?",
            ),
            values=_FEARS,
        ),
        Relation(
            name="favourite_food",
            asks="thing",
            plain="{P} favourite food was {o}.",
            statements=(
                "{S} would walk an hour for {o}.",
                "No guest left {p} table without {o}.",
                "{P} last wish was a plate of {o}.",
            ),
            questions=(
                "What did {s} like to eat best?",
                "What was the favourite dish of {m}?",
                "Which food did {s} love?",
            ),
            values=_FAVOURITES,
        ),
    ),
    closings=(
        "Little else is known.",
        "The letters that remain are mostly about the weather.",
        "A portrait shows a stern face and a crooked collar.",
        "Neighbours remembered a dry sense of humour.",
    ),
)
