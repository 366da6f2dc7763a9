"""Score outputs behind a prompt and let the model write its own there, with the prompt read once for both."""

from collections.abc import Sequence
from typing import Any

import torch

from embedder.llm.decoding import ReadRows, Writing, write_on
from embedder.llm.packed_rows import Packed, packed_length
from embedder.llm.packed_scoring import prefixes
from embedder.llm.row_scoring import TokenisedRequest
from embedder.llm.shared_prefix import growing, roomy, run_prefix
from embedder.models.token_batches import token_batches
from embedder.types import OutputScore


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
    for prefix, rows in prefixes(model, requests):
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
