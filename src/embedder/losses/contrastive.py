"""The contrastive loss (InfoNCE): pull labelled positives above everything else that the query sees."""

from torch import Tensor

from embedder.losses.masking import Reduction, at_least_float32, infonce, masked_logsumexp, reduced


def contrastive_loss(
    scores: Tensor, positives: Tensor, other_scores: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Contrast each positive with the query's own negatives and the keys of other queries.

        loss = -mean_{i positive} log( exp(s_i) / (exp(s_i) + sum_{j not positive} exp(s_j) + sum_m exp(o_m)) )

    Two positives of one query are never negatives of each other, and a query weighs the same however many it has.

    >>> import torch
    >>> scores, positives = torch.tensor([[2.0, 0.0]]), torch.tensor([[True, False]])
    >>> contrastive_loss(scores, positives)  # log(1 + exp(-2))
    tensor(0.1269)
    >>> contrastive_loss(scores, positives, other_scores=torch.tensor([[2.0]]))  # log(2 + exp(-2))
    tensor(0.7586)

    Source: van den Oord et al., 2018 (arXiv 1807.03748), InfoNCE.

    Args:
        scores: Similarities divided by the temperature, -inf for an absent key, [B, N].
        positives: Which of these keys are positives, bool, [B, N].
        other_scores: Scores of keys of other queries, negatives for every positive, -inf where masked, [B, M].
        reduction: `none` for the loss of each query.

    Returns:
        The mean over queries, a scalar, or the loss of each, [B]; float32 or float64. A query without a present
        positive counts as 0.
    """
    present = ~scores.isneginf()  # [B, N]
    scores = at_least_float32(scores).masked_fill(~present, 0.0)
    negatives = masked_logsumexp(scores, present & ~positives).unsqueeze(-1)  # [B, 1]
    terms = infonce(scores, negatives, other_scores).masked_fill(~(present & positives), 0.0)  # [B, N]
    return reduced(terms.sum(dim=-1) / (present & positives).sum(dim=-1).clamp(min=1), reduction)
