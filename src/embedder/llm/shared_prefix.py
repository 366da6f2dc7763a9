"""Run what prompts have in common once: few-shot examples in front of every prompt, or the prompt of many outputs."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

_HEAD = 16  # tokens; shorter common beginnings are not looked for
_WORTHWHILE = 64  # tokens saved; less does not pay for a forward pass of its own


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """Rows that begin with the same tokens.

    Args:
        length: How many tokens; 0 for the rows that share nothing.
        rows: Their positions.
    """

    length: int
    rows: tuple[int, ...]


def can_share(config: Any) -> bool:
    """Whether all layers of a model see its whole past; a sliding window forgets the prefix on the way."""
    return getattr(config, "sliding_window", None) is None


def shared_prefixes(rows: Sequence[Sequence[int]]) -> list[SharedPrefix]:
    """Groups of rows with a common beginning that is worth running once; every row is in exactly one group.

    A row keeps at least its last token, which predicts the next one. Of the beginnings of a row in the middle of the
    sorted rows, the one that saves most tokens is taken, so that a few rows of another kind do not shorten the prefix
    of the many.
    """
    heads: dict[tuple[int, ...], list[int]] = {}
    for k in sorted(range(len(rows)), key=lambda k: list(rows[k])):
        heads.setdefault(tuple(rows[k][:_HEAD]), []).append(k)
    groups: list[SharedPrefix] = []
    alone: list[int] = []
    for members in heads.values():
        while len(members) > 1:
            middle = rows[members[len(members) // 2]]
            common = [min(_common(rows[k], middle), len(rows[k]) - 1) for k in members]
            by_length = sorted(common, reverse=True)
            saved, length = max((count * by_length[count], by_length[count]) for count in range(1, len(by_length)))
            if saved < _WORTHWHILE or length < _HEAD:
                break
            groups.append(SharedPrefix(length, tuple(k for k, c in zip(members, common, strict=True) if c >= length)))
            members = [k for k, c in zip(members, common, strict=True) if c < length]
        alone += members
    return [*groups, SharedPrefix(0, tuple(alone))] if alone else groups


def run_prefix(model: Any, tokens: Sequence[int]) -> Cache:
    """Keys and values of a prefix in every layer, for any number of rows that continue it."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    ids = torch.tensor([list(tokens)], device=model.device)
    model.base_model(input_ids=ids, **with_cache(model.base_model, cache))
    return cache


def with_cache(model: Any, cache: Cache) -> dict[str, Any]:
    """The arguments by which a forward pass continues a cache and adds to it."""
    return {_name_of_cache(type(model).forward): cache, "use_cache": True}


@functools.cache
def _name_of_cache(forward: Callable[..., Any]) -> str:
    """`cache` from transformers 5.24 on, `past_key_values` before."""
    return "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"


def frozen(prefix: Cache) -> Cache:
    """The prefix for a forward pass that keeps nothing: neither is it changed, nor do its layers pile up in memory."""
    return Cache(layers=[_FrozenLayer(layer) for layer in prefix.layers])


def growing(prefix: Cache, rows: int, room: int) -> Cache:
    """A copy of the prefix for each of `rows` rows, with room for `room` tokens, those of the prefix included."""
    return Cache(layers=[_grown(layer, rows, room) for layer in prefix.layers])


def roomy(config: Any, room: int) -> Cache:
    """An empty cache with room for so many tokens, for a model that `can_share`."""
    return Cache(layers=[RoomyLayer(room) for _ in range(config.get_text_config().num_hidden_layers)])


def expect_unpadded(cache: Cache, real: Tensor) -> None:
    """Prepare for a pass that runs some rows as one, without their padding.

    Args:
        cache: Layers with room keep each row for itself, with padding, and show them to this pass without.
        real: Where the rows with padding have tokens, [R, L].
    """
    for layer in cache.layers:
        if isinstance(layer, RoomyLayer):
            layer.unpadded = real


class RoomyLayer(DynamicLayer):
    """Keys and values in a buffer with room for what is still to come: adding a token copies nothing.

    Args:
        room: Tokens.
    """

    def __init__(self, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._room = room
        self.unpadded: Tensor | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Keys and values of all tokens so far, [R, heads, n, D] each: views of the buffers.

        Of rows that were run as one, [1, heads, P + T, D]: what all of them saw before, and their T tokens.
        """
        real, self.unpadded = self.unpadded, None
        rows, width = (len(key_states), key_states.shape[-2]) if real is None else real.shape
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = [
                states.new_empty(rows, states.shape[1], self._room, states.shape[-1])
                for states in (key_states, value_states)
            ]
        start = self.get_seq_length()
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            place = buffer[..., start : start + width, :]  # [R, heads, L, D]
            if real is None:
                place.copy_(states)
            else:
                place.zero_()  # what is there by chance may be no number
                place.transpose(1, 2)[real] = states[0].transpose(0, 1)
        keys, values = self._show(start + width)
        if real is None:
            return keys, values
        return _behind(keys[:1, :, :start], key_states), _behind(values[:1, :, :start], value_states)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Each row so many times."""
        self._change([buffer.repeat_interleave(repeats, dim=0) for buffer in self._buffers])

    def batch_select_indices(self, indices: Tensor) -> None:
        """These rows alone."""
        self._change([buffer[indices] for buffer in self._buffers])

    def _change(self, buffers: list[Tensor]) -> None:
        length = self.get_seq_length()
        self._buffers = buffers
        self._show(length)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        keys, values = (buffer[..., :length, :] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


class _FrozenLayer(DynamicLayer):
    def __init__(self, layer: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys, self.values = layer.keys, layer.values  # [1, heads, P, D]
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return _behind(self.keys, key_states), _behind(self.values, value_states)


def _behind(prefix: Tensor | None, states: Tensor) -> Tensor:
    if prefix is None:
        raise ValueError("the prefix was not run")
    return torch.cat([prefix.expand(len(states), -1, -1, -1), states], dim=-2)  # [R, heads, P + L, D]


def _grown(layer: Any, rows: int, room: int) -> RoomyLayer:
    grown = RoomyLayer(room)
    grown.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1))
    return grown


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    differences = (position for position, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return next(differences, min(len(first), len(second)))
