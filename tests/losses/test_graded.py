import math
from itertools import permutations

import pytest
import torch

from embedder.losses.contrastive import contrastive_loss
from embedder.losses.graded import graded_distillation_loss

INF = math.inf


def loop(scores, rewards, other_scores, teacher_temperature):
    """The formula, one candidate after the other."""
    total = 0.0
    for s, r, o in zip(scores.tolist(), rewards.tolist(), other_scores.tolist(), strict=True):
        weights = [math.exp(reward / teacher_temperature) for reward in r]
        for i in range(len(s)):
            negatives = [s[j] for j in range(len(s)) if r[j] < r[i]] + o
            denominator = math.exp(s[i]) + sum(map(math.exp, negatives))
            total -= weights[i] / sum(weights) * math.log(math.exp(s[i]) / denominator)
    return total / len(scores)


def test_two_candidates_by_hand():
    # w = softmax([1, 0]) = [0.7311, 0.2689]; equal scores: the better sees log 2, the worse sees only itself, log 1.
    loss = graded_distillation_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx(0.7311 * math.log(2), abs=1e-4)


def test_teacher_temperature_by_hand():
    # w = softmax([1, 0] / 0.5) = [0.8808, 0.1192].
    loss = graded_distillation_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), teacher_temperature=0.5)
    assert loss.item() == pytest.approx(0.8808 * math.log(2), abs=1e-4)


def test_other_scores_by_hand():
    # w = [1/2, 1/2]; each candidate sees itself and the two other keys: log 3.
    loss = graded_distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    assert loss.item() == pytest.approx(math.log(3))


def test_equal_rewards_are_not_negatives_of_each_other():
    assert graded_distillation_loss(torch.randn(1, 4), torch.zeros(1, 4)).item() == pytest.approx(0.0)


def test_one_dominant_reward_is_infonce():
    scores, others = torch.randn(3, 5), torch.randn(3, 7)
    rewards = torch.zeros(3, 5)
    rewards[:, 2] = 100.0
    expected = contrastive_loss(scores, rewards > 0, others)
    torch.testing.assert_close(graded_distillation_loss(scores, rewards, others), expected)


@pytest.mark.parametrize("teacher_temperature", [0.3, 1.0, 4.0])
def test_agrees_with_the_loop_in_the_docstring(teacher_temperature):
    generator = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(4, 6, generator=generator, dtype=torch.float64)
    rewards = torch.randint(-2, 3, (4, 6), generator=generator).double()  # with ties
    others = 3 * torch.randn(4, 9, generator=generator, dtype=torch.float64)
    loss = graded_distillation_loss(scores, rewards, others, teacher_temperature)
    assert loss.item() == pytest.approx(loop(scores, rewards, others, teacher_temperature), abs=1e-10)


def test_the_order_of_candidates_does_not_matter():
    scores = torch.tensor([[1.0, -2.0, 0.5, 3.0]], dtype=torch.float64)
    rewards = torch.tensor([[1.0, 0.0, 1.0, -3.0]], dtype=torch.float64)
    expected = graded_distillation_loss(scores, rewards)
    for order in permutations(range(4)):
        torch.testing.assert_close(graded_distillation_loss(scores[:, order], rewards[:, order]), expected)


def test_absent_candidates_add_nothing():
    scores = torch.tensor([[2.0, -1.0, -INF], [0.5, -INF, -INF]], requires_grad=True)
    rewards = torch.tensor([[1.0, 0.0, -INF], [0.0, -INF, -INF]])
    others = torch.tensor([[-INF, 1.0], [-INF, -INF]], requires_grad=True)
    loss = graded_distillation_loss(scores, rewards, others)
    # The second query sees only itself, so it adds log 1.
    alone = graded_distillation_loss(scores[:1, :2], rewards[:1, :2], others[:1, 1:])
    assert loss.item() == pytest.approx(alone.item() / 2)

    loss.backward()
    assert scores.grad.isfinite().all()
    assert others.grad.isfinite().all()
    assert (scores.grad[scores.isneginf()] == 0).all()
    assert (others.grad[others.isneginf()] == 0).all()
    assert (scores.grad[0, :2] != 0).all()


def test_a_query_without_candidates_counts_as_zero():
    scores = torch.tensor([[-INF, -INF], [0.0, 0.0]], requires_grad=True)
    rewards = torch.tensor([[-INF, -INF], [1.0, 0.0]])
    loss = graded_distillation_loss(scores, rewards, torch.zeros(2, 0))
    assert loss.item() == pytest.approx(0.7311 * math.log(2) / 2, abs=1e-4)
    loss.backward()
    assert scores.grad[0].tolist() == [0.0, 0.0]


def test_an_unrewarded_candidate_is_a_negative_and_never_a_positive():
    # Equal scores: the candidate of reward 0 has all the weight, and sees the one that nobody rewarded: log 2.
    loss = graded_distillation_loss(torch.zeros(1, 2), torch.tensor([[0.0, -INF]]))
    assert loss.item() == pytest.approx(math.log(2))


def test_sharp_scores_stay_finite():
    # Cosines of 1 and -1 at a temperature of 0.001: w = softmax([0, 1]), the better candidate lies 2000 behind.
    scores = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    loss = graded_distillation_loss(scores, torch.tensor([[0.0, 1.0]]))
    assert loss.item() == pytest.approx(0.7311 * 2000, rel=1e-4)
    loss.backward()
    assert scores.grad.tolist()[0] == pytest.approx([0.7311, -0.7311], abs=1e-4)


def test_gradients():
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    others = torch.randn(2, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    rewards = torch.tensor([[2.0, 0.0, 0.0, -1.0], [1.0, 3.0, 2.0, 2.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s, o: graded_distillation_loss(s, rewards, o, 0.7), (scores, others))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    scores, rewards, others = torch.randn(2, 8).to(dtype), torch.randn(2, 8).to(dtype), torch.randn(2, 500).to(dtype)
    loss = graded_distillation_loss(scores, rewards, others)
    assert loss.dtype == torch.float32
    assert loss.item() == graded_distillation_loss(scores.float(), rewards.float(), others.float()).item()


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="teacher_temperature"):
        graded_distillation_loss(torch.zeros(1, 2), torch.zeros(1, 2), teacher_temperature=0.0)
