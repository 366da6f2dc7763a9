"""Score all outputs of a prompt in one forward pass: the prompt is run once, and the outputs branch off behind it.

What many prompts begin with, such as few-shot examples, is run once for all of them. The model may write on behind a
prompt that was run so, which is then read once for both.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

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
    return _read(model, requests, batch_tokens, batch_tokens)[0]


@torch.inference_mode()
def score_and_write(
    model: Any, requests: Sequence[TokenisedRequest], writing: Writing, row_tokens: int, batch_tokens: int
) -> tuple[list[list[OutputScore]], list[list[int]]]:
    """What `score_packed` and `write` give one after the other.

    A row is run as for scoring. What it wrote to the cache stays there, and the model goes on behind all of it, seeing
    the prompt and its own tokens and none of the outputs.

    Args:
        model: A Hugging Face causal language model in evaluation mode for which `takes_packed_branches` and
            `can_share` hold.
        requests: Prompts with their outputs.
        writing: How the continuations are written.
        row_tokens: What `score_packed` has as its budget, so that outputs are split over the same rows.
        batch_tokens: Upper bound of the tokens in the cache: rows x (prompt + outputs + continuation).

    Returns:
        A score for each output of each request, and the tokens of each continuation.
    """
    scores, written = _read(model, requests, row_tokens, batch_tokens, writing)
    return scores, [written[i] for i in range(len(requests))]


def _read(
    model: Any,
    requests: Sequence[TokenisedRequest],
    row_tokens: int,
    batch_tokens: int,
    writing: Writing | None = None,
) -> tuple[list[list[OutputScore]], dict[int, list[int]]]:
    """Score rows of at most `row_tokens`, or twice the prompt, and write on behind the first one of each request."""
    wanted = [(i, request) for i, request in enumerate(requests) if request.outputs or writing is not None]
    parts = [(i, part) for i, request in wanted for part in _split(request, row_tokens)]
    firsts = [k == 0 or parts[k - 1][0] != i for k, (i, _) in enumerate(parts)]
    scored: dict[int, list[OutputScore]] = {}
    written: dict[int, list[int]] = {}
    for prefix, rows in _prefixes(model, [part for _, part in parts]):
        shared = run_prefix(model, prefix) if prefix else None
        rests = [TokenisedRequest(parts[k][1].prompt[len(prefix) :], parts[k][1].outputs) for k in rows]
        beside = 0 if writing is None else len(prefix) + writing.max_new_tokens
        for batch in token_batches([packed_length(rest) + beside for rest in rests], batch_tokens):
            packed = Packed.of([rests[k] for k in batch])
            if writing is None:
                cache = None if shared is None else frozen(shared)
            else:
                room = beside + packed.tokens.shape[1] - 1  # the last token is not read again
                cache = roomy(model.config, room) if shared is None else growing(shared, len(batch), room)
            hidden = packed.run(model, cache, len(prefix))  # [B, L, D]
            scored.update(zip([rows[k] for k in batch], packed.scores(model, hidden), strict=True))
            if writing is not None and (to_write := [n for n, k in enumerate(batch) if firsts[rows[k]]]):
                read = _behind_prompts(model, packed, cache, hidden, len(prefix), to_write)
                written |= write_on(model, read, [parts[rows[batch[n]]][0] for n in to_write], writing)
    scores: list[list[OutputScore]] = [[] for _ in requests]
    for k, (i, _) in enumerate(parts):
        scores[i].extend(scored[k])
    return scores, written


def _behind_prompts(
    model: Any, packed: Packed, cache: Any, hidden: Tensor, prefix_length: int, rows: list[int]
) -> ReadRows:
    """Some rows of a batch that was run, for writing on behind their prompts."""
    keep = torch.tensor(rows, device=hidden.device)
    if len(rows) < len(packed.requests):
        cache.batch_select_indices(keep)
    ends = torch.tensor([len(packed.requests[n].prompt) - 1 for n in rows], device=hidden.device)
    mask = (packed.branches.to(hidden.device)[keep] == 0).long()  # [R, L]
    mask = torch.nn.functional.pad(mask, (prefix_length, 0), value=1)  # [R, P + L]
    return ReadRows(cache, mask, model.get_output_embeddings()(hidden[keep, ends]))


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
    if part or not request.outputs:
        yield TokenisedRequest(request.prompt, part)
