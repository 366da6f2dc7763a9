"""Rows over the vocabulary, some at a time: numbers by hand, and those of all rows at once."""

import math

import pytest
import torch

from embedder.llm.logits import normalisers, of_rows


def test_normalisers_by_hand():
    # Three words that are alike: log(3 e^2) = 2 + log 3; weights 1, 2 and 5: log 8.
    rows = torch.tensor([[2.0, 2.0, 2.0], [0.0, math.log(2), math.log(5)]])
    assert normalisers(rows).tolist() == pytest.approx([2 + math.log(3), math.log(8)])


@pytest.mark.parametrize("rows", [0, 1, 7, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_some_rows_at_a_time_give_the_bits_of_all_at_once(rows, dtype):
    generator = torch.Generator().manual_seed(rows)
    logits = (5 * torch.randn(rows, 49_152, generator=generator)).to(dtype)
    factors = torch.rand(rows, generator=generator)
    assert torch.equal(normalisers(logits), logits.float().logsumexp(-1))

    def cumulative(logits, factors):
        return (logits.float() * factors[:, None]).softmax(-1).cumsum(-1)

    assert torch.equal(of_rows(cumulative, logits, factors), cumulative(logits, factors))
