"""Which keys of other queries are negatives of a query, and which are left out."""

import torch
from torch import Tensor


def in_batch_negatives(key_hashes: Tensor, known_positive_hashes: Tensor, all_key_hashes: Tensor) -> Tensor:
    """Mask of the keys in the global batch that are true negatives of each local query.

    A key is left out if its text is one of the query's own group (it is compared there) or a known positive of the
    query, if it is absent, or if the same text stands earlier in the batch (a text counts once, however many queries
    have it).

    >>> keys = torch.tensor([[1, 2], [3, 2]])  # two queries, which share the text 2
    >>> in_batch_negatives(keys, torch.tensor([[1], [3]]), keys.flatten()).int()
    tensor([[0, 0, 1, 0],
            [1, 0, 0, 0]], dtype=torch.int32)

    Args:
        key_hashes: Text hashes of the local groups, 0 where absent, [B, N].
        known_positive_hashes: Text hashes of the labelled positives of the local queries, 0 where absent, [B, P].
        all_key_hashes: Text hashes of all keys of the global batch, 0 where absent, [M].

    Returns:
        bool [B, M].
    """
    n_local = len(key_hashes)
    mask = ((all_key_hashes != 0) & is_first(all_key_hashes)).repeat(n_local, 1)  # [B, M]
    own = torch.cat([key_hashes, known_positive_hashes], dim=1)  # [B, N + P]
    # One at a time, along the shorter side: B x (N + P) x M is too large.
    if own.shape[1] <= n_local:
        for texts in own.T:
            mask &= texts.unsqueeze(1) != all_key_hashes
    else:
        for row, texts in zip(mask, own, strict=True):
            row &= ~torch.isin(all_key_hashes, texts)
    return mask


def negatives_by_place(key_present: Tensor, negatives: Tensor, local: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How many keys a query is compared with, averaged over the local queries.

    Args:
        key_present: Which keys of the local groups exist, bool [B, N].
        negatives: As `in_batch_negatives` gives them, bool [B, M].
        local: Which of these keys are of this process, bool [M].

    Returns:
        The other keys of its group, negatives of this process, negatives of other processes: scalars on the
        device, which is not waited for.
    """
    own = key_present.float().sum(dim=1).mean() - 1
    here = (negatives & local).float().sum(dim=1).mean()
    return own, here, negatives.float().sum(dim=1).mean() - here


def is_first(values: Tensor) -> Tensor:
    """Whether no equal value stands earlier, bool [n]."""
    order = torch.argsort(values, stable=True)
    ordered = values[order]
    first = torch.ones_like(values, dtype=torch.bool)
    first[order[1:]] = ordered[1:] != ordered[:-1]
    return first
