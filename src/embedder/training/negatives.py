"""Which keys of other queries are negatives of a query, and which only look like it."""

import torch
from torch import Tensor


def in_batch_negatives(
    key_hashes: Tensor, known_positive_hashes: Tensor, first_query: int, all_key_hashes: Tensor
) -> Tensor:
    """Mask of the keys in the global batch that are true negatives of each local query.

    A key is left out if it belongs to the query's own group (it is compared there), if its text is a known positive of
    the query or equal to a key of its group, if it is absent, or if the same text stands earlier in the batch (a text
    counts once, however many queries brought it).

    Args:
        key_hashes: Text hashes of the local groups, 0 where absent, [B, N].
        known_positive_hashes: Text hashes of the labelled positives of the local queries, 0 where absent, [B, P].
        first_query: Place of the first local query in the global batch.
        all_key_hashes: Text hashes of all groups of the global batch, [W * B, N].

    Returns:
        bool [B, W * B * N].
    """
    n_local, group = key_hashes.shape
    everyone = all_key_hashes.reshape(-1)  # [W * B * N]
    own = torch.cat([key_hashes, known_positive_hashes], dim=1)  # [B, N + P]
    mask = ~(own.unsqueeze(2) == everyone).any(
        dim=1
    )  # [B, W * B * N]; 0 = 0 also rules out absent keys of ragged groups
    mask &= (everyone != 0) & is_first(everyone)
    queries = torch.arange(n_local, device=everyone.device).unsqueeze(1) + first_query  # [B, 1]
    owner = torch.arange(len(everyone), device=everyone.device) // group  # [W * B * N]
    return mask & (owner != queries)


def is_first(values: Tensor) -> Tensor:
    """Whether no equal value stands earlier, bool [n]."""
    order = torch.argsort(values, stable=True)
    ordered = values[order]
    first = torch.ones_like(values, dtype=torch.bool)
    first[order[1:]] = ordered[1:] != ordered[:-1]
    return first
