"""Log-likelihood of outputs with the prompt repeated for each of them: slow, and right for every causal model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from embedder.models.token_batches import token_batches
from embedder.types import OutputScore

# Logits of all positions are materialised here, so the budget is kept small: 1,024 x 50,000 floats are 200 MB.
_MAX_ROW_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class TokenisedRequest:
    """A prompt and the outputs to score after it, as token ids; neither the prompt nor an output is empty."""

    prompt: Sequence[int]
    outputs: Sequence[Sequence[int]]


@torch.inference_mode()
def score_in_rows(model: Any, requests: Sequence[TokenisedRequest], batch_tokens: int) -> list[list[OutputScore]]:
    """Log-likelihoods with every pair as a row of its own, padded on the right, several rows a forward pass.

    Needs nothing of the model but causality and an ordinary padding mask.

    Args:
        model: A Hugging Face causal language model in evaluation mode.
        requests: Prompts with their outputs.
        batch_tokens: Upper bound of rows x longest row in a forward pass; at most 1,024 are used.

    Returns:
        One score for each output, in order.
    """
    scores: list[dict[int, OutputScore]] = [{} for _ in requests]
    pairs = [(i, j) for i, request in enumerate(requests) for j in range(len(request.outputs))]
    rows = [torch.tensor([*requests[i].prompt, *requests[i].outputs[j]]) for i, j in pairs]
    for batch in token_batches([len(row) for row in rows], min(batch_tokens, _MAX_ROW_TOKENS)):
        tokens = torch.nn.utils.rnn.pad_sequence([rows[k] for k in batch], batch_first=True)  # [B, L]
        lengths = torch.tensor([len(rows[k]) for k in batch])
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long()  # [B, L]
        logits = model(input_ids=tokens.to(model.device), attention_mask=mask.to(model.device)).logits  # [B, L, V]
        for k, row_logits in zip(batch, logits, strict=True):
            i, j = pairs[k]
            row = rows[k].to(model.device)
            scores[i][j] = _score_row(row_logits[: len(row)], row, len(requests[i].prompt))
    return [[scores[i][j] for j in range(len(request.outputs))] for i, request in enumerate(requests)]


def _score_row(logits: Tensor, tokens: Tensor, prompt_length: int) -> OutputScore:
    """Score of the tokens after the prompt, from logits [L, V] and tokens [L] of one row."""
    targets = tokens[prompt_length:]  # [T]
    log_probabilities = logits[prompt_length - 1 : -1].float().log_softmax(-1)  # [T, V]
    per_token = log_probabilities.gather(1, targets[:, None])
    return OutputScore(float(per_token.double().sum()), len(targets))
