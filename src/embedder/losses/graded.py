"""Graded distillation: teach the encoder the LLM's order of candidates, most of all where a candidate helped much."""

from torch import Tensor

from embedder.losses.masking import (
    Reduction,
    at_least_float32,
    check_temperature,
    infonce,
    masked_logsumexp,
    masked_softmax,
    reduced,
)


def graded_distillation_loss(
    scores: Tensor,
    rewards: Tensor,
    other_scores: Tensor | None = None,
    teacher_temperature: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Contrast every candidate with those that earned strictly less, weighted by its reward.

        loss = -sum_i w_i log( exp(s_i) / (exp(s_i) + sum_{j: r_j < r_i} exp(s_j) + sum_m exp(o_m)) )

    with w = softmax(rewards / teacher_temperature). The order of candidates does not matter, and candidates of equal
    reward are never negatives of each other.

    >>> import torch
    >>> scores, rewards = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    >>> graded_distillation_loss(scores, rewards)  # weights 0.7311 and 0.2689; only the better one has a negative
    tensor(0.5067)
    >>> graded_distillation_loss(torch.tensor([[5.0, 0.0]]), rewards)  # the encoder agrees with the LLM
    tensor(0.0049)

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554), graded distillation.

    Args:
        scores: Similarities divided by the temperature, -inf for an absent candidate, [B, N].
        rewards: LLM rewards of the same candidates, larger is better, [B, N]. A present candidate with -inf is a
            negative of all others and a positive of none.
        other_scores: Scores of keys of other queries, negatives for every candidate, -inf where masked, [B, M].
        teacher_temperature: Below 1 sharpens the weights, above 1 flattens them.
        reduction: `none` for the loss of each query.

    Returns:
        The mean over queries, a scalar, or the loss of each, [B]; float32 or float64. A query without candidates
        counts as 0.

    Raises:
        ValueError: The temperature is not above 0.
    """
    check_temperature("teacher_temperature", teacher_temperature)
    present = ~scores.isneginf()  # [B, N]
    scores = at_least_float32(scores).masked_fill(~present, 0.0)
    weights = masked_softmax(at_least_float32(rewards) / teacher_temperature, present)  # [B, N]
    lower = rewards.unsqueeze(-2) < rewards.unsqueeze(-1)  # [B, N, N], [b, i, j]: j earned less than i
    negatives = masked_logsumexp(scores.unsqueeze(-2), lower & present.unsqueeze(-2))  # [B, N]
    return reduced((weights * infonce(scores, negatives, other_scores)).sum(dim=-1), reduction)
