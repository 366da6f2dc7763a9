"""Vectors whose first numbers are vectors too: train them so that they can be cut after training."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def matryoshka_views(vectors: Tensor, dimensions: Sequence[int] | None) -> list[Tensor]:
    """The vectors cut to their first numbers and normalised again, one tensor for each dimension.

    The loss is the mean of the losses over the views: loss = 1/|M| sum_{m in M} loss(v[:m] / |v[:m]|).

    >>> import torch
    >>> [view.tolist() for view in matryoshka_views(torch.tensor([[0.0, 0.5, 0.75]]), [2, 1])]
    [[[0.0, 1.0]], [[0.0]]]

    Source: Kusupati et al., Matryoshka Representation Learning (arXiv 2205.13147), equal weights.

    Args:
        vectors: Unit vectors, [..., D].
        dimensions: How many numbers each view keeps, at most D; None for the vectors as they are.

    Returns:
        Unit vectors, [..., m] for each m of `dimensions`.
    """
    if dimensions is None:
        return [vectors]
    return [F.normalize(vectors[..., :dimension], dim=-1) for dimension in dimensions]
