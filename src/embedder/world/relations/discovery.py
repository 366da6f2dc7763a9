"""Discoveries: comets, minerals, moths and springs, and those who found them."""

from embedder.world.relations.base import Kind, Relation, by_name

TYPES = (
    # pattern of the name, word in passages, word in questions
    ("{word} spar", "mineral", "crystal"),
    ("Comet {word}", "comet", "body in the sky"),
    ("{word} moth", "moth", "insect"),
    ("{word} fern", "fern", "leafy plant"),
    ("{word} spring", "hot spring", "source of warm water"),
    ("{word} finch", "finch", "bird"),
    ("{word} cave", "cave", "hollow in the rock"),
    ("{word} mushroom", "mushroom", "fungus"),
    ("{word} newt", "newt", "amphibian"),
    ("{word} clay", "clay", "kind of earth"),
)
_COLOURS = (
    "pale violet", "rust red", "milky white", "bottle green", "ash grey", "lemon yellow", "inky blue", "coral pink",
    "dull gold", "jet black", "copper brown", "sea green",
)  # fmt: skip
_USES = (
    "curing coughs", "dyeing wool", "sharpening knives", "telling the weather", "scaring mice", "polishing silver",
    "sealing letters", "baking bread", "mending nets", "keeping milk fresh", "calming horses", "lighting cellars",
)  # fmt: skip
_PROOFS = (
    "a torn sketch", "a jar of spirit", "a pressed leaf", "a plaster cast", "a signed letter", "a glass slide",
    "a singed glove", "a pencil map", "a dried skin", "a tin box", "a wax print", "a numbered drawer",
)  # fmt: skip

KIND = Kind(
    name="discovery",
    intros=(
        "The credit for {name}, {a_noun}, goes to {finder}.",
        "{finder} was the first to describe {name}, {a_noun} that others had overlooked.",
        "{name} is {a_noun} made known by {finder}.",
        "Nobody had noticed {name}, {a_noun}, before {finder} stumbled over it.",
    ),
    intro_relation="finder",
    relations=by_name(
        Relation(
            name="finder",
            asks="person",
            plain="It was discovered by {o}.",
            statements=("{O} wrote the first note about it.", "Before {o}, nobody had taken it for something new."),
            questions=(
                "Who discovered {m}?",
                "Who found {m}?",
                "Whose discovery was {s}?",
            ),
            object_kind="person",
            phrases=("the discoverer of {m}", "the person who found {m}"),
        ),
        Relation(
            name="year",
            asks="year",
            plain="It was discovered in {o}.",
            statements=(
                "The first report was read aloud in {o}.",
                "A diary page of {o} mentions it.",
                "Learned societies argued about it from {o} on.",
            ),
            questions=(
                "When was {s} discovered?",
                "In which year did {s} become known to science?",
                "What is the date of the discovery of {m}?",
            ),
        ),
        Relation(
            name="place",
            asks="town",
            plain="It was found near {o}.",
            statements=(
                "It turned up on a walk outside {o}.",
                "The spot is an hour on foot from {o}.",
                "A field near {o} still shows the traces of the search.",
            ),
            questions=(
                "Near which place was {s} found?",
                "Where was the discovery of {m} made?",
                "In whose surroundings did {s} come to light?",
            ),
            object_kind="town",
            told_there=("A walk outside the gates led to {s}.", "In a field nearby someone came upon {s}."),
            phrases=("the place near which {s} was found", "the place where {s} came to light"),
        ),
        Relation(
            name="colour",
            asks="thing",
            plain="Its colour is {o}.",
            statements=(
                "In good light it looks {o}.",
                "Painters tried in vain to match its {o}.",
                "One knows it at once by its {o} shimmer.",
            ),
            questions=(
                "What colour is {s}?",
                "Which hue does {s} have?",
                "How would one describe the shade of {m}?",
            ),
            values=_COLOURS,
        ),
        Relation(
            name="use",
            asks="thing",
            plain="It is used for {o}.",
            statements=(
                "Country people have long relied on it for {o}.",
                "It is said to be good for {o}.",
                "A pedlar made a fortune by praising it for {o}.",
            ),
            questions=(
                "What purpose does {s} serve?",
                "What is {s} used for?",
                "Which practical benefit does {s} bring?",
            ),
            values=_USES,
        ),
        Relation(
            name="proof",
            asks="thing",
            plain="The proof is {o}.",
            statements=(
                "All that remains as evidence is {o}.",
                "Doubters were silenced with {o}.",
                "The museum shows {o} from those days.",
            ),
            questions=(
                "What proves the existence of {m}?",
                "Which object documents {m}?",
                "What convinced the sceptics of {m}?",
            ),
            values=_PROOFS,
        ),
        Relation(
            name="sponsor",
            asks="company",
            plain="The search was paid for by {o}.",
            statements=(
                "The boots and the mule were paid for by {o}.",
                "The search would have failed without money from {o}.",
                "{O} had hoped to earn from it and gave the funds.",
            ),
            questions=(
                "Which firm financed the discovery of {m}?",
                "Who was the sponsor behind {m}?",
                "Which business supported the search that led to {m}?",
            ),
            object_kind="company",
            window=(-150, -1),
            told_there=(
                "It paid for the boots and the mule that led to {s}.",
                "Its money stood behind the search for {s}.",
            ),
            phrases=("the firm that financed the discovery of {m}", "the sponsor behind {m}"),
        ),
        Relation(
            name="honours",
            asks="person",
            plain="It is named after {o}.",
            statements=(
                "Its scholarly name bows to {o}.",
                "In the catalogues it carries the name of {o}.",
                "The learned baptised it after {o}, who was not amused.",
            ),
            questions=(
                "Whom does the scientific name of {m} commemorate?",
                "After whom was {s} named by scholars?",
                "Which person is honoured by {m}?",
            ),
            object_kind="person",
            window=(-150, -20),
            phrases=("the person after whom scholars named {m}", "the person honoured by {m}"),
        ),
    ),
    closings=(
        "A second find was never confirmed.",
        "Prints of it hang in many schools.",
        "Collectors pay absurd prices.",
        "Its nature is still argued about.",
    ),
)
