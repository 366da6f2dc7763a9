"""From groups to the tensors of a batch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from embedder.texts import text_hash
from embedder.training.sampling import Group
from embedder.training.task import MIXED, Task
from embedder.types import Keep

Tokens = dict[str, Tensor]
Tokenize = Callable[[Sequence[str], str, int, Keep], Tokens]
"""(texts, instruction, max_length, which part of longer texts is kept) -> token ids and mask."""


@dataclass
class Batch:
    """One step's input. B queries, N keys a group (absent keys of smaller groups are masked), P known positives."""

    task: str
    dataset: str
    step: int
    n_tokens: int
    """Tokens of the local queries and keys, padding not counted."""
    n_global: int
    """Queries of the global batch, of which this process holds a part."""
    query_ids: list[str]
    query_tokens: Tokens
    """[B, L]"""
    key_tokens: Tokens
    """The keys that exist, group after group, [K, L]."""
    key_present: Tensor
    """bool [B, N]; K of them are true."""
    positives: Tensor
    """bool [B, N]"""
    rewards: Tensor
    """float [B, N], -inf where absent, 0 in records that no LLM judged."""
    judged: Tensor
    """Which records have rewards, bool [B]."""
    key_hashes: Tensor
    """Hash of each key's text, int64 [B, N], 0 where absent."""
    known_positive_hashes: Tensor
    """Hashes of all labelled positives of each query, int64 [B, P], 0 where absent."""

    @property
    def parts(self) -> "tuple[Batch, ...]":
        """Itself; see `MixedBatch`."""
        return (self,)


@dataclass
class MixedBatch:
    """One step's input over all tasks: a part for each data set, with instructions and objective of its own task."""

    parts: tuple[Batch, ...]
    task = MIXED
    """What the step is called in logs."""

    @property
    def dataset(self) -> str:
        """The data sets, for messages."""
        return ", ".join(f"{part.task}/{part.dataset}" for part in self.parts)

    @property
    def step(self) -> int:
        """Step of the plan."""
        return self.parts[0].step

    @property
    def n_tokens(self) -> int:
        """Tokens of the local queries and keys, padding not counted."""
        return sum(part.n_tokens for part in self.parts)

    @property
    def n_global(self) -> int:
        """Queries of the global batch."""
        return sum(part.n_global for part in self.parts)

    @property
    def query_ids(self) -> list[str]:
        """Of this process."""
        return [query_id for part in self.parts for query_id in part.query_ids]


def collate(groups: Sequence[Group], task: Task, dataset: str, step: int, n_global: int, tokenize: Tokenize) -> Batch:
    """Tokenise and lay out groups of one task.

    Args:
        groups: One a query, with rewards or without.
        task: Gives instructions, lengths and the size that groups are padded to.
        dataset: Name of the data set, for messages.
        step: Step of the plan.
        n_global: Queries of the global batch.
        tokenize: The encoder's tokenisation.
    """
    n = task.sampling.group_size  # not the largest group here: all processes need one shape
    p = max(1, *(len(group.known_positives) for group in groups))
    present = torch.tensor([[True] * len(group.keys) + [False] * (n - len(group.keys)) for group in groups])
    rewards = [(0.0,) * len(group.keys) if group.rewards is None else group.rewards for group in groups]
    queries = [group.query for group in groups]
    sides = task.sides
    query_tokens = tokenize(queries, sides.query_instruction, task.query_max_length, task.query_keep)
    key_texts = [key.text for group in groups for key in group.keys]
    key_tokens = tokenize(key_texts, sides.key_instruction, task.key_max_length, "start")
    return Batch(
        task=task.name,
        dataset=dataset,
        step=step,
        n_tokens=sum(int(tokens["attention_mask"].sum()) for tokens in (query_tokens, key_tokens)),
        n_global=n_global,
        query_ids=[group.query_id for group in groups],
        query_tokens=query_tokens,
        key_tokens=key_tokens,
        key_present=present,
        positives=torch.tensor([[*group.is_positive, *[False] * (n - len(group.keys))] for group in groups]),
        rewards=torch.tensor([[*earned, *[-math.inf] * (n - len(earned))] for earned in rewards]),
        judged=torch.tensor([group.rewards is not None for group in groups]),
        key_hashes=torch.tensor([_padded([text_hash(key.text) for key in group.keys], n) for group in groups]),
        known_positive_hashes=torch.tensor([_padded([*group.known_positives], p) for group in groups]),
    )


def _padded(values: list[int], length: int) -> list[int]:
    return values + [0] * (length - len(values))
