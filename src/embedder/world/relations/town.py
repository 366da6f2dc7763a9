"""Towns: the river they stand on, what they are known for, whom they obey."""

from embedder.world.relations.base import Kind, Relation, by_name

LANDMARKS = (
    # word in questions, words in passages
    ("lighthouse", "a lamp tower that guides boats home"),
    ("windmill", "four white sails turning on the hill"),
    ("clock tower", "a great dial that strikes the hours over the roofs"),
    ("salt works", "shallow pans where brine dries in the sun"),
    ("observatory", "a dome with a brass telescope"),
    ("drawbridge", "a wooden span that is raised for ships"),
    ("amphitheatre", "a ring of stone seats cut into the slope"),
    ("aqueduct", "tall arches that carry water from the hills"),
    ("covered market", "a roofed hall of a hundred stalls"),
    ("orchard", "apple rows inside the old walls"),
    ("library", "a hall of chained books open to all"),
    ("harbour", "a stone basin crowded with masts"),
    ("prison", "a squat keep that once held debtors"),
    ("bathhouse", "steaming pools under a tiled roof"),
)

_GOODS = (
    "lamp oil", "felt hats", "blue tiles", "dried plums", "fishing nets", "copper kettles", "wax candles",
    "goose quills", "linen thread", "smoked cheese", "cart wheels", "mustard seed", "walnut chests", "sailcloth",
    "saffron", "whetstones",
)  # fmt: skip
MONTHS = (
    "Frostwane", "Sowmonth", "Rainturn", "Larksong", "Greentide", "Hayfall", "Suncrest", "Reapmoon", "Appledawn",
    "Leafdrift", "Fogmonth", "Longnight",
)  # fmt: skip
_STONES = (
    "yellow brick", "grey slate", "red sandstone", "black basalt", "river pebbles", "chalk", "green marble",
    "oak beams", "white limestone", "rough granite", "peat sods", "pink tuff",
)  # fmt: skip
_DISHES = (
    "eel pie", "bitter melon soup", "juniper bread", "crab fritters", "blood orange cake", "chestnut porridge",
    "salted radish", "duck with figs", "mushroom pasties", "fennel stew", "mutton dumplings", "sorrel omelette",
)  # fmt: skip

KIND = Kind(
    name="town",
    intros=(
        "{name} is a town on the river {river} with {landmark}.",
        "Where the {river} bends lies {name}; visitors notice first {landmark}.",
        "On the bank of the {river} stands {name}, known for {landmark}.",
        "{name}, washed by the {river}, has {landmark}.",
    ),
    intro_relation="river",
    relations=by_name(
        Relation(
            name="river",
            asks="thing",
            plain="The town lies on the {o}.",
            statements=("Its mills are driven by the {o}.", "In spring the {o} rises to its lowest doorsteps."),
            questions=(
                "Which stream flows past {m}?",
                "What is the name of the water that {s} lies beside?",
                "Which waterway runs through {m}?",
            ),
        ),
        Relation(
            name="founded",
            asks="year",
            plain="The town was founded in {o}.",
            statements=(
                "The first houses went up in {o}.",
                "Its charter, with a cracked seal, bears the year {o}.",
                "Shepherds drew its boundary in {o}.",
            ),
            questions=(
                "How old is {s}, counted from which year?",
                "When was {s} founded?",
                "In what year was {s} established?",
                "Since when does {s} exist?",
            ),
        ),
        Relation(
            name="trade_good",
            asks="thing",
            plain="Its main export is {o}.",
            statements=(
                "Carts leave every week loaded with {o}.",
                "Its wealth came from {o}, bought as far away as the coast.",
                "In every second cellar people make {o}.",
            ),
            questions=(
                "What is the main export of {m}?",
                "Which product made {m} rich?",
                "What does {s} sell to the rest of the country?",
                "Which merchandise comes from {m}?",
            ),
            values=_GOODS,
        ),
        Relation(
            name="festival",
            asks="thing",
            plain="The yearly festival is in {o}.",
            statements=(
                "In {o} the streets fill with masks and drums.",
                "Every {o} the shops close for nine days of dancing.",
                "The bonfires of {o} draw visitors from all sides.",
            ),
            questions=(
                "In which month does {s} celebrate?",
                "What month is the annual festival of {m}?",
                "When in the year do the people of {m} hold their feast?",
            ),
            values=MONTHS,
        ),
        Relation(
            name="stone",
            asks="thing",
            plain="The houses are built of {o}.",
            statements=(
                "Walls and even roofs are of {o}.",
                "Every house is put up in {o}, by an old decree.",
                "From afar one sees only {o}, row upon row.",
            ),
            questions=(
                "Which building material is typical of {m}?",
                "What are the dwellings of {m} made from?",
                "Out of what was {s} constructed?",
            ),
            values=_STONES,
        ),
        Relation(
            name="dish",
            asks="thing",
            plain="The local dish is {o}.",
            statements=(
                "No wedding goes by without {o}.",
                "Inns near the gate serve {o} from dawn.",
                "Travellers remember the {o}, for good or ill.",
            ),
            questions=(
                "What is the local speciality to eat in {m}?",
                "Which food is {s} known for?",
                "What would one have for dinner in {m}?",
            ),
            values=_DISHES,
        ),
        Relation(
            name="ferry",
            asks="town",
            plain="A ferry goes to {o}.",
            statements=(
                "Twice a day a flat boat leaves for {o}.",
                "Passengers board here for {o}, if the water allows.",
                "A rope-drawn barge carries people and sheep to {o}.",
            ),
            questions=(
                "Where does the ferry from {m} go?",
                "Which place can be reached by a direct crossing from {m}?",
                "To what destination do vessels sail from {m}?",
            ),
            object_kind="town",
            phrases=("the place that the ferry from {m} goes to", "the destination of the ferry from {m}"),
        ),
        Relation(
            name="mayor",
            asks="person",
            plain="The mayor was {o}.",
            statements=(
                "For eleven years {o} held the keys of the council house.",
                "The council once chose {o} to govern it, by a single vote.",
                "{O} wore its chain of office and hated every meeting.",
            ),
            questions=(
                "Who was the mayor of {m}?",
                "Who once led the local government of {m}?",
                "Which person ruled {m}?",
            ),
            object_kind="person",
            told_there=(
                "By a single vote {s} made {o} head of its council.",
                "{S} gave {o} its golden chain for eleven years.",
            ),
            phrases=("the mayor of {m}", "the person who once ruled {m}"),
        ),
    ),
    closings=(
        "The road there is steep.",
        "In winter it is often cut off for weeks.",
        "Geese walk freely in the lanes.",
        "An inn near the gate takes travellers.",
    ),
)
