"""Which keys of other queries are negatives of a query, and which are left out."""

import torch
from torch import Tensor


def in_batch_negatives(
    key_hashes: Tensor, known_positive_hashes: Tensor, first_query: int, all_key_hashes: Tensor
) -> Tensor:
    """Mask of the keys in the global batch that are true negatives of each local query.

    A key is left out if it belongs to the query's own group (it is compared there), if its text is a known positive of
    the query or equal to a key of its group, if it is absent, or if the same text stands earlier in the batch (a text
    counts once, however many queries have it).

    >>> keys = torch.tensor([[1, 2], [3, 2]])  # two queries, which share the text 2
    >>> in_batch_negatives(keys, torch.tensor([[1], [3]]), first_query=0, all_key_hashes=keys).int()
    tensor([[0, 0, 1, 0],
            [1, 0, 0, 0]], dtype=torch.int32)

    Args:
        key_hashes: Text hashes of the local groups, 0 where absent, [B, N].
        known_positive_hashes: Text hashes of the labelled positives of the local queries, 0 where absent, [B, P].
        first_query: Position of the first local query in the global batch.
        all_key_hashes: Text hashes of all groups of the global batch, 0 where absent, [G, N].

    Returns:
        bool [B, G * N].
    """
    n_local, group = key_hashes.shape
    everyone = all_key_hashes.reshape(-1)  # [G * N]
    queries = torch.arange(n_local, device=everyone.device).unsqueeze(1) + first_query  # [B, 1]
    owner = torch.arange(len(everyone), device=everyone.device) // group  # [G * N]
    mask = (owner != queries) & (everyone != 0) & is_first(everyone)  # [B, G * N]
    own = torch.cat([key_hashes, known_positive_hashes], dim=1)  # [B, N + P]
    # One at a time, along the shorter side: B x (N + P) x G N is too large.
    if own.shape[1] <= n_local:
        for texts in own.T:
            mask &= texts.unsqueeze(1) != everyone
    else:
        for row, texts in zip(mask, own, strict=True):
            row &= ~torch.isin(everyone, texts)
    return mask


def negatives_by_place(key_present: Tensor, negatives: Tensor, first_query: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many keys a query is compared with, averaged over the local queries.

    Args:
        key_present: Which keys of the local groups exist, bool [B, N].
        negatives: As `in_batch_negatives` gives them, bool [B, G * N].
        first_query: Position of the first local query in the global batch.

    Returns:
        The other keys of its group, negatives of this process, negatives of other processes: scalars on the
        device, which is not waited for.
    """
    n_local, group = key_present.shape
    first = first_query * group
    own = key_present.float().sum(dim=1).mean() - 1
    local = negatives[:, first : first + n_local * group].float().sum(dim=1).mean()
    return own, local, negatives.float().sum(dim=1).mean() - local


def is_first(values: Tensor) -> Tensor:
    """Whether no equal value stands earlier, bool [n]."""
    order = torch.argsort(values, stable=True)
    ordered = values[order]
    first = torch.ones_like(values, dtype=torch.bool)
    first[order[1:]] = ordered[1:] != ordered[:-1]
    return first
