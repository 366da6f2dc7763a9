import math

import pytest
import torch

from embedder.losses.kl import kl_distillation_loss

INF = math.inf


def test_two_candidates_by_hand():
    # p = softmax([log 3, 0]) = [3/4, 1/4], q = [1/2, 1/2]: 3/4 log(3/2) + 1/4 log(1/2).
    loss = kl_distillation_loss(torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]]))
    assert loss.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_temperatures_by_hand():
    # Teacher: [2 log 3, 0] / 2 gives p = [3/4, 1/4]; student: [0.5 log 2, 0] / 0.5 gives q = [2/3, 1/3].
    scores = torch.tensor([[0.5 * math.log(2), 0.0]], dtype=torch.float64)
    rewards = torch.tensor([[2 * math.log(3), 0.0]], dtype=torch.float64)
    loss = kl_distillation_loss(scores, rewards, teacher_temperature=2.0, student_temperature=0.5)
    assert loss.item() == pytest.approx(0.75 * math.log(0.75 / (2 / 3)) + 0.25 * math.log(0.25 / (1 / 3)))


def test_equal_distributions_have_no_loss():
    scores = torch.randn(3, 5)
    assert kl_distillation_loss(scores, 7 + scores).item() == pytest.approx(0.0, abs=1e-6)


def test_one_dominant_reward_is_cross_entropy():
    scores, rewards = torch.randn(3, 5), torch.zeros(3, 5)
    rewards[:, 4] = 1000.0
    expected = torch.nn.functional.cross_entropy(scores, torch.full((3,), 4))
    torch.testing.assert_close(kl_distillation_loss(scores, rewards), expected)


def test_absent_candidates_add_nothing():
    scores = torch.tensor([[2.0, -1.0, -INF], [-INF, -INF, -INF]], requires_grad=True)
    rewards = torch.tensor([[1.0, 0.0, -INF], [-INF, -INF, -INF]])
    loss = kl_distillation_loss(scores, rewards, 0.1, 2.0)
    alone = kl_distillation_loss(scores[:1, :2], rewards[:1, :2], 0.1, 2.0)
    assert loss.item() == pytest.approx(alone.item() / 2)  # the second query has no candidates and counts as 0

    loss.backward()
    assert scores.grad.isfinite().all()
    assert (scores.grad[scores.isneginf()] == 0).all()
    assert (scores.grad[0, :2] != 0).all()


def test_gradients():
    scores = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    rewards = torch.randn(2, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: kl_distillation_loss(s, rewards, 0.5, 2.0), (scores,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    scores, rewards = torch.randn(2, 200).to(dtype), torch.randn(2, 200).to(dtype)
    loss = kl_distillation_loss(scores, rewards)
    assert loss.dtype == torch.float32
    assert loss.item() == kl_distillation_loss(scores.float(), rewards.float()).item()


@pytest.mark.parametrize("name", ["teacher_temperature", "student_temperature"])
def test_a_temperature_below_zero_is_refused(name):
    with pytest.raises(ValueError, match=name):
        kl_distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), **{name: -1.0})
