"""How time and memory grow with the data: every stage at 1, 10 and 100 times the same size, and the fitted exponent.

    python benchmarks/growth.py
    python benchmarks/growth.py --stages index train --factors 1 10 --runs 1

The data are bundled worlds, the models are tiny with random weights: their arithmetic is proportional to the number of
texts whatever their size, so that it would only hide what else grows. A run of a stage is a process, forked when all
is imported, which first runs on its smallest data, and then on each size; what the smallest data take is start, and
taken off, as their size is off the sizes. Counted are processor seconds and private memory (no mapped pages of files).
The exponent is the slope of log(seconds) over log(size) by least squares, with its standard error: 1 is in proportion,
0 not at all. `last` is the slope of the last factor of ten. A size that takes less than a fifth of start beyond start
is not fitted.
"""

import argparse
import contextlib
import io
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from exponents import Cost, Growth, growth
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from index import drawn
from side_by_side import peak_mb

import embedder.entry.start  # noqa: F401  # what settings refer to
from embedder.index.array_vectors import ArrayVectors
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index
from embedder.world import WorldSettings, write_world

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))
from tests.tiny_models import tiny_bert, tiny_llama, tiny_tokenizer  # noqa: E402  # the root is no package

FEW = 10
"""Questions that are there because a data set has some, where others are counted."""
KEYS, DIMENSION, STEPS = 3600, 64, 50
ENCODED = ("action=encode", "rows=[base]")
FEW_VALIDATED = "prepare.validation.max_queries=4"
"""As many for every number of records: a training ends with a validation."""


@dataclass(frozen=True)
class Stage:
    """What is measured at each size.

    Args:
        unit: Of the sizes.
        start: The size of the smallest data: what these take is start.
        smallest: The size that is 1 x.
        costs: For a folder of its own and a size: what each part of it took.
    """

    unit: str
    start: int
    smallest: int
    costs: Callable[[Path, int], dict[str, Cost]]

    def __post_init__(self) -> None:
        """The first size is above start, of which it would be taken for otherwise."""
        if self.smallest <= self.start:
            raise ValueError(f"1 x is {self.smallest} {self.unit}: it has to be more than start, {self.start}")


def prepare_questions(folder: Path, n: int) -> dict[str, Cost]:
    """Candidates and records of more training questions."""
    return {"prepare": cost(command("prepare", folder, *of_world(folder, KEYS, n, FEW), "reward=none"))}


def prepare_keys(folder: Path, n: int) -> dict[str, Cost]:
    """Candidates and records of the same number of questions in a larger corpus."""
    return {"prepare": cost(command("prepare", folder, *of_world(folder, n, 100, FEW), "reward=none"))}


def judge(folder: Path, n: int) -> dict[str, Cost]:
    """Candidates, rewards of an LLM and records."""
    outputs = ("llm_outputs.n_outputs=2", "llm_outputs.max_new_tokens=4", "candidates.n=3")
    short = ("tasks.qa.prompt.examples.n=0", "tasks.qa.prompt.max_key_words=20")
    run = command("prepare", folder, *of_world(folder, 1000, n, FEW), *outputs, *short)
    return {"prepare, judged by an LLM": cost(run)}


def train(folder: Path, n: int) -> dict[str, Cost]:
    """Published records are prepared; then training reads these until its first step, and goes on."""
    _, _, *models = of_world(folder, 1000, 1000, FEW)
    apart(write_records, folder, n)
    data = [*models, "source=jsonl", f"source.path={folder}/records.jsonl", "reward=none", FEW_VALIDATED]
    steps = [
        "callbacks.retrieval_eval.max_keys=100",
        "logger=csv",
        "trainer.accelerator=cpu",
        "callbacks.plain.progress=null",
        "data.batch_size=8",
    ]

    def steps_of(count: int) -> Cost:
        ends = (f"trainer.max_steps={count}", f"trainer.val_check_interval={count}")
        return cost(command("train", folder / str(count), *data, *steps, *ends))

    read = apart(cost, command("prepare", folder, *data))  # what it held is no part of what training holds
    records = prepared(folder)
    first, more = steps_of(1), steps_of(1 + STEPS)
    if prepared(folder) != records:
        sys.exit("training prepared its records again: its settings are not those that they were prepared with")
    one = Cost((more.seconds - first.seconds) / STEPS, more.megabytes, starts=False)
    return {"prepare published records": read, "train, until the first step is done": first, "train, a step": one}


def prepared(folder: Path) -> dict[Path, int]:
    """The files that training reads, and when each was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "root" / "data" / "prepared").rglob("*.*")}


def encode(folder: Path, n: int) -> dict[str, Cost]:
    """A corpus is encoded to disk."""
    return {"encode": cost(command("evaluate", folder, *of_world(folder, n, FEW, FEW), *ENCODED))}


def index_and_search(_: Path, n: int) -> dict[str, Cost]:
    """Indexes over drawn vectors; then queries one by one."""
    draw = drawn(DIMENSION)
    vectors, queries = ArrayVectors(draw(0, n)), draw(1, 500)
    found: dict[str, Cost] = {}
    for name, index in (("exact", FaissIndex("Flat")), ("IVF", FaissIndex("IVFn,SQ8", nprobe=32))):
        found[f"build an index, {name}"] = cost(partial(fill_index, index, vectors), starts=False)
        search = partial(one_by_one, index, queries)
        found[f"search {len(queries)} queries, {name}"] = cost(search, starts=False)
    return found


def one_by_one(index: FaissIndex, queries: Any) -> None:
    """As they come to a server."""
    for query in queries:
        index.search(query[None], 10)


def evaluate_questions(folder: Path, n: int) -> dict[str, Cost]:
    """More test questions; the corpus was encoded before."""
    data = of_world(folder, KEYS, FEW, n)
    command("evaluate", folder, *data, *ENCODED)()
    return {"evaluate": evaluation(folder, data)}


def evaluate_keys(folder: Path, n: int) -> dict[str, Cost]:
    """The same number of test questions in a larger corpus."""
    return {"evaluate": evaluation(folder, of_world(folder, n, FEW, 100))}


STAGES = {
    "prepare": Stage("training questions", 10, 100, prepare_questions),
    "prepare-keys": Stage("keys", 200, 800, prepare_keys),
    "judge": Stage("judged questions", 2, 10, judge),
    "train": Stage("records", 100, 1000, train),
    "encode": Stage("keys", 200, 400, encode),
    "index": Stage("vectors", 10, 1000, index_and_search),
    "evaluate": Stage("test questions", 10, 60, evaluate_questions),
    "evaluate-keys": Stage("keys", 200, 600, evaluate_keys),
}


def main() -> None:
    """Measure, fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE", help=", ".join(STAGES)
    )
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10, 100], help="of the smallest size")
    parser.add_argument("--runs", type=int, default=3, help="of each size")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    grown = []
    for name in arguments.stages:
        runs = []
        for _ in range(arguments.runs):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(apart(measured, STAGES[name], arguments.factors, Path(folder)))
        for part in runs[0]:
            costs = {size: [run[part][size] for run in runs] for size in runs[0][part]}
            row = growth(part, STAGES[name].unit, costs)
            grown.append(row)
            print(line(row), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in grown], indent=1), encoding="utf-8")


def line(row: Growth) -> str:
    """What is printed."""
    seconds = ", ".join(f"{value:.3g}" for value in row.seconds)
    memory = ", ".join(f"{value:.0f}" for value in row.megabytes)
    return (
        f"{row.name}, {row.sizes} {row.unit}: {seconds} s beyond {row.start:.3g} s, {memory} MB; exponent "
        f"{row.exponent:.2f} ± {row.error:.2f}, last {row.last:.2f}"
    )


def measured(stage: Stage, factors: list[int], folder: Path) -> dict[str, dict[int, Cost]]:
    """Costs by part and size; the smallest data come twice, since the first time everything is loaded."""
    stage.costs(folder / "first", stage.start)
    found: dict[str, dict[int, Cost]] = {}
    for size in [stage.start, *(factor * stage.smallest for factor in factors)]:
        for part, cost in stage.costs(folder / str(size), size).items():
            found.setdefault(part, {})[size] = cost
    return found


def cost(way: Callable[[], object], *, starts: bool = True) -> Cost:
    """What it takes in this process, and the most that this process held."""
    seconds: list[float] = []

    def timed() -> None:
        started = time.process_time()
        way()
        seconds.append(time.process_time() - started)

    held = private()
    megabytes = held / 1e6 + peak_mb(timed, private)
    return Cost(seconds[0], megabytes, starts)


def private() -> int:
    """Bytes that this process holds itself, without the mapped pages of files."""
    memory = psutil.Process().memory_info()
    return int(memory.rss - memory.shared)


def command(name: str, folder: Path, *overrides: str) -> Callable[[], object]:
    """What a script runs with these settings, once they are read; its log is shown if it fails."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(name, overrides=[*overrides, f"paths.output_dir={folder}"])
    built = instantiate(config.run, _convert_="all")

    def run() -> None:
        log = io.StringIO()
        try:
            with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
                built.run()
        except BaseException:
            print(log.getvalue()[-3000:], file=sys.stderr)
            raise

    return run


def of_world(folder: Path, keys: int, train: int, test: int) -> list[str]:
    """Settings that read a world of exactly so many passages and questions, with the tiny models."""
    folder.mkdir()
    encoder, llm = folder.parent / "encoder", folder.parent / "llm"
    if not llm.is_dir():
        tiny_bert(encoder)
        tiny_llama(llm, max_tokens=16384)
        tiny_tokenizer(llm)
    apart(write_exactly, folder / "world", keys, train, test)
    models = [f"encoder.name={encoder}", f"llm.name={llm}", "llm.device=cpu"]
    shorter = ("tasks.qa.key_max_length=16", "tasks.qa.key_instruction=")
    return ["source=corpus", f"source.path={folder}/world/qa", f"paths.root={folder}/root", *models, *shorter]


def apart(work: Callable[..., Any], *arguments: object) -> Any:
    """What it returns, from a process of its own, so that this one does not hold what that took."""
    fork = get_context("fork")
    result, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=lambda: sender.send(work(*arguments)))
    process.start()
    sender.close()
    try:
        returned = result.recv()
    except EOFError:
        sys.exit(f"{work.__name__} failed")
    process.join()
    return returned


def write_exactly(world: Path, keys: int, train: int, test: int) -> None:
    """A world with so many passages, of which it has 200 or more, and questions."""
    share = min(max(test / (train + test), 0.05), 0.95)
    questions = max(10, math.ceil(max(train / (1 - share), test / share)) + 1)  # one more: shares are rounded
    write_world(WorldSettings(keys, questions, share, tasks=("qa",)), world)
    for part, count in (("train", train), ("test", test)):
        path = world / "qa" / f"{part}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) < count:
            sys.exit(f"the world has {len(lines)} questions for {path.name}, not {count}")
        path.write_text("".join(lines[:count]), encoding="utf-8")


def evaluation(folder: Path, settings: list[str]) -> Cost:
    """Of BM25 and the encoder."""
    return cost(command("evaluate", folder, *settings, "rows=[bm25,base]", "run.rag_enabled=false"))


def write_records(folder: Path, n: int) -> None:
    """Records in the published form: the questions of the world, each with two negatives, under new words."""
    world = folder / "world" / "qa"
    texts = {row["id"]: row["text"] for row in map(json.loads, (world / "corpus.jsonl").open(encoding="utf-8"))}
    keys, chance = list(texts.values()), np.random.default_rng(0)
    queries = [json.loads(line) for line in (world / "train.jsonl").open(encoding="utf-8")]
    with (folder / "records.jsonl").open("w", encoding="utf-8") as file:
        for number in range(n):
            query = queries[number % len(queries)]
            negatives = [keys[at] for at in chance.integers(len(keys), size=2)]
            row = {"query": f"{query['query']} {number}", "pos": [texts[query["pos"][0]]], "neg": negatives}
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
