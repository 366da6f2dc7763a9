import math

import pytest
import torch

from embedder.losses.contrastive import contrastive_loss

INF = math.inf


def test_equal_scores_by_hand():
    # One positive, one own negative, two other keys, all equal: the positive is one of four.
    loss = contrastive_loss(torch.zeros(1, 2), torch.tensor([[True, False]]), torch.zeros(1, 2))
    assert loss.item() == pytest.approx(math.log(4))


def test_two_positives_by_hand():
    # Scores [log 2, log 6, log 2], the last is the negative: 2 of 2+2 and 6 of 6+2, never 2 of 2+6+2.
    scores = torch.tensor([[2.0, 6.0, 2.0]]).log()
    loss = contrastive_loss(scores, torch.tensor([[True, True, False]]))
    assert loss.item() == pytest.approx((math.log(4 / 2) + math.log(8 / 6)) / 2)


def test_queries_weigh_the_same_however_many_positives_they_have():
    scores = torch.zeros(2, 3)
    positives = torch.tensor([[True, True, False], [True, False, False]])
    # First query: log 2 and log 2; second: log 3.
    assert contrastive_loss(scores, positives).item() == pytest.approx((math.log(2) + math.log(3)) / 2)


def test_one_positive_is_cross_entropy():
    scores, others = torch.randn(4, 3), torch.randn(4, 6)
    positives = torch.tensor([[True, False, False]]).expand(4, 3)
    expected = torch.nn.functional.cross_entropy(torch.cat([scores, others], dim=1), torch.zeros(4, dtype=torch.long))
    torch.testing.assert_close(contrastive_loss(scores, positives, others), expected)


def test_absent_keys_add_nothing():
    scores = torch.tensor([[1.0, -INF, 0.5, -INF], [0.0, -INF, -INF, -INF]], requires_grad=True)
    positives = torch.tensor([[True, True, False, False], [True, False, False, False]])
    others = torch.tensor([[-INF, 0.3], [-INF, -INF]], requires_grad=True)
    loss = contrastive_loss(scores, positives, others)
    alone = contrastive_loss(scores[:1, [0, 2]], positives[:1, [0, 2]], others[:1, 1:])
    assert loss.item() == pytest.approx(alone.item() / 2)  # nothing competes in the second query: log 1

    loss.backward()
    for values in (scores, others):
        assert values.grad.isfinite().all()
        assert (values.grad[values.isneginf()] == 0).all()
    assert (scores.grad[0, [0, 2]] != 0).all()


def test_a_query_without_a_present_positive_counts_as_zero():
    scores = torch.tensor([[-INF, 1.0], [0.0, 0.0]], requires_grad=True)
    loss = contrastive_loss(scores, torch.tensor([[True, False], [True, False]]), torch.zeros(2, 1))
    assert loss.item() == pytest.approx(math.log(3) / 2)
    loss.backward()
    assert scores.grad[0].tolist() == [0.0, 0.0]


def test_gradients():
    scores = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    others = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    positives = torch.tensor([[True, False, True, False], [False, True, False, False]])
    assert torch.autograd.gradcheck(lambda s, o: contrastive_loss(s, positives, o), (scores, others))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    scores, others = torch.randn(2, 8).to(dtype), torch.randn(2, 500).to(dtype)
    positives = torch.arange(8).expand(2, 8) < 2
    loss = contrastive_loss(scores, positives, others)
    assert loss.dtype == torch.float32
    assert loss.item() == contrastive_loss(scores.float(), positives, others.float()).item()
