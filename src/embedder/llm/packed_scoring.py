"""Score all outputs of a prompt in one forward pass: the prompt is run once, and the outputs branch off behind it.

What many prompts begin with, such as few-shot examples, is run once for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from embedder.llm.row_scoring import TokenisedRequest
from embedder.llm.shared_prefix import can_share, frozen, run_prefix, shared_prefixes
from embedder.models.token_batches import token_batches
from embedder.types import OutputScore

# Model types that are known, by a test of each against brute force, to obey four-dimensional masks and position ids.
PACKABLE_MODEL_TYPES = frozenset(
    {"gemma", "gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"}
)
_SLICE = 256  # positions projected to the vocabulary at once; 256 x 50,000 floats are 50 MB


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
    for prefix, rows in prefixes(model, [part for _, part in parts]):
        cache = run_prefix(model, prefix) if prefix else None
        rests = [TokenisedRequest(parts[k][1].prompt[len(prefix) :], parts[k][1].outputs) for k in rows]
        for batch in token_batches([packed_length(rest) for rest in rests], batch_tokens):
            packed = Packed.of([rests[k] for k in batch])
            row_scores = packed.scores(model, packed.run(model, None if cache is None else frozen(cache), len(prefix)))
            scored.update(zip([rows[k] for k in batch], row_scores, strict=True))
    for k, (i, _) in enumerate(parts):
        scores[i].extend(scored[k])
    return scores


def prefixes(model: Any, requests: Sequence[TokenisedRequest]) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Prefixes and the positions of the requests that begin with them."""
    if not can_share(model.config):
        yield (), range(len(requests))
        return
    for shared in shared_prefixes([request.prompt for request in requests]):
        yield requests[shared.rows[0]].prompt[: shared.length], shared.rows


def packed_length(request: TokenisedRequest) -> int:
    """Tokens of a row with a prompt and all of its outputs."""
    return len(request.prompt) + sum(len(output) - 1 for output in request.outputs)


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
            model: The language model.
            cache: With the prefix; None for neither a prefix nor anything to be kept.
            prefix_length: Tokens in it.
        """
        branches, positions = self.branches.to(model.device), (self.positions + prefix_length).to(model.device)
        hidden: Tensor = model.base_model(
            input_ids=self.tokens.to(model.device),
            position_ids=positions,
            attention_mask=_attention_masks(model.config, branches, positions, prefix_length, model.dtype),
            **({"use_cache": False} if cache is None else {"past_key_values": cache, "use_cache": True}),
        ).last_hidden_state
        return hidden

    def scores(self, model: Any, hidden: Tensor) -> list[list[OutputScore]]:
        """Log-likelihoods of the outputs of each row, from the hidden states."""
        per_token = _token_log_likelihoods(model, hidden.flatten(0, 1), self.predictors, self.targets)
        n_outputs = sum(len(request.outputs) for request in self.requests)
        sums = torch.zeros(n_outputs, dtype=torch.float64).index_add_(0, self.owners, per_token.double().cpu())
        flat = iter(sums.tolist())
        return [[OutputScore(next(flat), len(output)) for output in request.outputs] for request in self.requests]


def _attention_masks(config: Any, branches: Tensor, positions: Tensor, prefix_length: int, dtype: torch.dtype) -> Any:
    """Additive masks: one, [B, 1, L, P + L], or a dictionary of them for models that mix full and sliding attention.

    All tokens see the shared prefix, whose length is P; models with a sliding window have none.
    """
    index = torch.arange(branches.shape[1], device=branches.device)
    same_branch = branches[:, :, None] == branches[:, None, :]  # [B, L, L], query by key
    # Padding sees itself: a row without any allowed key would be a softmax over nothing.
    allowed = (same_branch | (branches == 0)[:, None, :]) & (index[:, None] >= index)

    def additive(allowed: Tensor) -> Tensor:
        blocked = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
        blocked = blocked.masked_fill_(~allowed, torch.finfo(dtype).min)
        return torch.nn.functional.pad(blocked, (prefix_length, 0))[:, None]

    window = getattr(config, "sliding_window", None)
    if window is None:
        return additive(allowed)
    near = positions[:, :, None] - positions[:, None, :] < window
    layer_types = getattr(config, "layer_types", None)
    if layer_types is None:
        return additive(allowed & near)
    return {"full_attention": additive(allowed), "sliding_attention": additive(allowed & near)}


def _token_log_likelihoods(model: Any, hidden: Tensor, predictors: Tensor, targets: Tensor) -> Tensor:
    """Log-likelihood of each target, [T], from hidden states [B * L, D] at its predictor.

    All outputs of a prompt begin at the same predictor, which is projected once.
    """
    predictors, targets = predictors.to(hidden.device), targets.to(hidden.device)
    distinct, owner = torch.unique(predictors, return_inverse=True)  # [U], [T]
    head = model.get_output_embeddings()
    result = torch.empty(len(targets), device=hidden.device)
    for start in range(0, len(distinct), _SLICE):
        logits = head(hidden[distinct[start : start + _SLICE]]).float()  # [S, V]
        inside = (owner >= start) & (owner < start + _SLICE)
        rows = owner[inside] - start
        result[inside] = logits[rows, targets[inside]] - logits.logsumexp(-1)[rows]
    return result
