"""Score all outputs of a prompt in one forward pass: the prompt is run once, and the outputs branch off behind it.

What many prompts begin with, such as few-shot examples, is run once for all of them. The model may write on behind a
prompt that was run so, which is then read once for both.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from embedder.llm.decoding import ReadRows, Writing, write_on
from embedder.llm.packed_rows import Packed, packed_length
from embedder.llm.row_scoring import TokenisedRequest
from embedder.llm.shared_prefix import can_share, frozen, growing, roomy, run_prefix, shared_prefixes
from embedder.models.token_batches import token_batches
from embedder.types import OutputScore

# Model types that are known, by a test of each against brute force, to obey four-dimensional masks and position ids.
PACKABLE_MODEL_TYPES = frozenset(
    {"gemma", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"}
)


def takes_packed_branches(config: Any) -> bool:
    """Whether a model of this Hugging Face configuration is known to score packed branches rightly."""
    rope = getattr(config, "rope_parameters", None) or {}
    # These rotary embeddings depend on the longest row of a batch, so no batched way equals pair by pair.
    stretched = str(rope.get("rope_type", "default")) in {"dynamic", "longrope"}
    # The hidden states are projected here and not by the model, so nothing may be done to its logits afterwards.
    capped = getattr(config, "final_logit_softcapping", None) is not None
    # Flash attention, which is nobody's default, ignores such masks.
    masked = getattr(config, "_attn_implementation", None) in (None, "eager", "sdpa")
    return config.model_type in PACKABLE_MODEL_TYPES and masked and not stretched and not capped


@torch.inference_mode()
def score_packed(model: Any, requests: Sequence[TokenisedRequest], batch_tokens: int) -> list[list[OutputScore]]:
    """Log-likelihoods of all outputs, with every prompt run once.

    A row is the prompt and then the outputs without their last tokens, which predict nothing. A token of an output sees
    the prompt and the earlier tokens of its own output only, and its position counts on from the prompt. Hidden states
    are projected to the vocabulary only where they predict a token of an output.

    Args:
        model: A Hugging Face causal language model in evaluation mode for which `takes_packed_branches` holds.
        requests: Prompts with their outputs.
        batch_tokens: Upper bound of rows x longest row in a forward pass, not counting a prefix that the rows share.
            Many or long outputs of one prompt are split over several rows, each of at most this or twice the prompt.
            These share the prompt, or repeat at most about half of the work where the model cannot share it.

    Returns:
        One score for each output, in order.
    """
    scores: list[list[OutputScore]] = [[] for _ in requests]
    parts = [(i, part) for i, request in enumerate(requests) for part in _split(request, batch_tokens)]
    scored: dict[int, list[OutputScore]] = {}
    for prefix, rows in _prefixes(model, [part for _, part in parts]):
        cache = run_prefix(model, prefix) if prefix else None
        rests = [TokenisedRequest(parts[k][1].prompt[len(prefix) :], parts[k][1].outputs) for k in rows]
        for batch in token_batches([packed_length(rest) for rest in rests], batch_tokens):
            packed = Packed.of([rests[k] for k in batch])
            row_scores = packed.scores(model, packed.run(model, None if cache is None else frozen(cache), len(prefix)))
            scored.update(zip([rows[k] for k in batch], row_scores, strict=True))
    for k, (i, _) in enumerate(parts):
        scores[i].extend(scored[k])
    return scores


@torch.inference_mode()
def score_and_write(
    model: Any, requests: Sequence[TokenisedRequest], writing: Writing, batch_tokens: int
) -> tuple[list[list[OutputScore]], list[list[int]]]:
    """What `score_packed` and `write` give one after the other.

    A row is run as for scoring. What it wrote to the cache stays there, and the model goes on behind all of it, seeing
    the prompt and its own tokens and none of the outputs.

    Args:
        model: A Hugging Face causal language model in evaluation mode for which `takes_packed_branches` and
            `can_share` hold.
        requests: Prompts with their outputs.
        writing: How the continuations are written.
        batch_tokens: Upper bound of the tokens in the cache: rows x (prompt + outputs + continuation).

    Returns:
        A score for each output of each request, and the tokens of each continuation.
    """
    scores: list[list[OutputScore]] = [[] for _ in requests]
    written: dict[int, list[int]] = {}
    for prefix, rows in _prefixes(model, requests):
        shared = run_prefix(model, prefix) if prefix else None
        rests = [TokenisedRequest(requests[k].prompt[len(prefix) :], requests[k].outputs) for k in rows]
        lengths = [len(prefix) + packed_length(rest) + writing.max_new_tokens for rest in rests]
        for batch in token_batches(lengths, batch_tokens):
            packed = Packed.of([rests[k] for k in batch])
            room = len(prefix) + packed.tokens.shape[1] + writing.max_new_tokens - 1  # the last token is not read again
            cache = roomy(model.config, room) if shared is None else growing(shared, len(batch), room)
            hidden = packed.run(model, cache, len(prefix))  # [B, L, D]
            numbers = [rows[k] for k in batch]
            for number, row_scores in zip(numbers, packed.scores(model, hidden), strict=True):
                scores[number] = row_scores
            ends = torch.tensor([len(request.prompt) - 1 for request in packed.requests], device=hidden.device)
            last = hidden[torch.arange(len(batch), device=hidden.device), ends]  # [B, D]
            mask = (packed.branches == 0).long().to(hidden.device)  # [B, L]
            mask = torch.nn.functional.pad(mask, (len(prefix), 0), value=1)  # [B, P + L]
            logits = model.get_output_embeddings()(last)  # [B, V]
            written |= write_on(model, ReadRows(cache, mask, logits), numbers, writing)
    return scores, [written[number] for number in range(len(requests))]


def _prefixes(model: Any, requests: Sequence[TokenisedRequest]) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Prefixes and the positions of the requests that begin with them."""
    if not can_share(model.config):
        yield (), range(len(requests))
        return
    for shared in shared_prefixes([request.prompt for request in requests]):
        yield requests[shared.rows[0]].prompt[: shared.length], shared.rows


def _split(request: TokenisedRequest, batch_tokens: int) -> Iterator[TokenisedRequest]:
    limit = max(batch_tokens, 2 * len(request.prompt))
    part: list[Sequence[int]] = []
    length = len(request.prompt)
    for output in request.outputs:
        if part and length + len(output) - 1 > limit:
            yield TokenisedRequest(request.prompt, part)
            part, length = [], len(request.prompt)
        part.append(output)
        length += len(output) - 1
    if part:
        yield TokenisedRequest(request.prompt, part)
