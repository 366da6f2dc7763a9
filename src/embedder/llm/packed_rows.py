"""Rows that hold a prompt and all of its outputs behind it: how they are packed, run and read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from embedder.llm.logits import normalisers
from embedder.llm.packed_masks import attention_masks
from embedder.llm.row_scoring import TokenisedRequest
from embedder.llm.rows_apart import ROWS_APART
from embedder.llm.shared_prefix import expect_unpadded, with_cache
from embedder.types import OutputScore

_SLICE = 256  # positions projected to the vocabulary at once; 256 x 50,000 floats are 50 MB
_FEWEST = 16  # positions projected; a CPU multiplies a few rows, less than four for each thread, by sums of other order


def packed_length(request: TokenisedRequest) -> int:
    """Tokens of a row with a prompt and all of its outputs."""
    return len(request.prompt) + sum(len(output) - 1 for output in request.outputs)


@dataclass(frozen=True)
class Packed:
    """Rows of prompts with their outputs behind them, and where each token of an output is predicted.

    Args:
        requests: The rows.
        tokens: Padded on the right, [B, L].
        positions: Of the tokens behind the prefix that the rows share, [B, L].
        branches: 0 in the prompt, 1, 2, ... in the outputs, -1 in the padding, [B, L].
        predictors: Position in the flattened batch that predicts each token of each output, [T].
        targets: Which token it is, [T].
        owners: To which output it belongs, counted over the batch, [T].
    """

    requests: Sequence[TokenisedRequest]
    tokens: Tensor
    positions: Tensor
    branches: Tensor
    predictors: Tensor
    targets: Tensor
    owners: Tensor

    @classmethod
    def of(cls, requests: Sequence[TokenisedRequest]) -> "Packed":
        """Pack a batch."""
        width = max(map(packed_length, requests))
        tokens = torch.zeros(len(requests), width, dtype=torch.long)
        positions, branches = torch.zeros_like(tokens), torch.full_like(tokens, -1)
        predictors: list[int] = []
        targets: list[int] = []
        owners: list[int] = []
        n_outputs = 0
        for i, request in enumerate(requests):
            start = len(request.prompt)
            tokens[i, :start] = torch.tensor(request.prompt)
            positions[i, :start] = torch.arange(start)
            branches[i, :start] = 0
            for branch, output in enumerate(request.outputs, start=1):
                end = start + len(output) - 1
                tokens[i, start:end] = torch.tensor(output[:-1], dtype=torch.long)
                positions[i, start:end] = torch.arange(len(request.prompt), len(request.prompt) + len(output) - 1)
                branches[i, start:end] = branch
                predictors += [i * width + position for position in (len(request.prompt) - 1, *range(start, end))]
                targets += output
                owners += [n_outputs] * len(output)
                n_outputs += 1
                start = end
        flat = (torch.tensor(numbers, dtype=torch.long) for numbers in (predictors, targets, owners))
        return cls(requests, tokens, positions, branches, *flat)

    def run(self, model: Any, cache: Any, prefix_length: int) -> Tensor:
        """Hidden states of all tokens, [B, L, D].

        Args:
            model: The language model. Where it attends to rows apart, the padding is left out and has zeros.
            cache: With the prefix, and room for the rows if they are to be kept; None for neither.
            prefix_length: Tokens in it.
        """
        branches, positions = self.branches.to(model.device), (self.positions + prefix_length).to(model.device)
        tokens, real = self.tokens.to(model.device), branches >= 0
        arguments = {
            "attention_mask": attention_masks(model.config, branches, positions, prefix_length, model.dtype),
            **({"use_cache": False} if cache is None else with_cache(model.base_model, cache)),
        }
        apart = model.config._attn_implementation == ROWS_APART
        if apart:
            tokens, positions = tokens[real][None], positions[real][None]  # [1, T]
            arguments["row_lengths"] = real.sum(1).tolist()
            if cache is not None:
                expect_unpadded(cache, real)
        hidden: Tensor = model.base_model(input_ids=tokens, position_ids=positions, **arguments).last_hidden_state
        if not apart:
            return hidden
        return hidden.new_zeros(*real.shape, hidden.shape[-1]).masked_scatter(real[..., None], hidden)

    def scores(self, model: Any, hidden: Tensor) -> list[list[OutputScore]]:
        """Log-likelihoods of the outputs of each row, from the hidden states."""
        per_token = _token_log_likelihoods(model, hidden.flatten(0, 1), self.predictors, self.targets)
        n_outputs = sum(len(request.outputs) for request in self.requests)
        sums = torch.zeros(n_outputs, dtype=torch.float64).index_add_(0, self.owners, per_token.double().cpu())
        flat = iter(sums.tolist())
        return [[OutputScore(next(flat), len(output)) for output in request.outputs] for request in self.requests]


def _token_log_likelihoods(model: Any, hidden: Tensor, predictors: Tensor, targets: Tensor) -> Tensor:
    """Log-likelihood of each target, [T], from hidden states [B * L, D] at its predictor.

    All outputs of a prompt begin at the same predictor, which is projected once.
    """
    predictors, targets = predictors.to(hidden.device), targets.to(hidden.device)
    distinct, owner = torch.unique(predictors, return_inverse=True)  # [U], [T]
    head = model.get_output_embeddings()
    result = torch.empty(len(targets), device=hidden.device)
    for start in range(0, len(distinct), _SLICE):
        some = distinct[start : start + _SLICE]
        some = torch.nn.functional.pad(some, (0, max(0, _FEWEST - len(some))))
        logits = head(hidden[some])  # [S, V]
        inside = (owner >= start) & (owner < start + _SLICE)
        rows = owner[inside] - start
        result[inside] = logits[rows, targets[inside]].float() - normalisers(logits)[rows]
    return result
