"""KL distillation: make the encoder spread its scores over the candidates as the LLM spreads its rewards."""

import torch
from torch import Tensor

from embedder.losses.masking import Reduction, at_least_float32, check_temperature, lowest, masked_softmax, reduced


def kl_distillation_loss(
    scores: Tensor,
    rewards: Tensor,
    teacher_temperature: float = 1.0,
    student_temperature: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Kullback-Leibler divergence of the student's distribution over a query's candidates from the teacher's.

        loss = sum_i p_i (log p_i - log q_i)

    with p = softmax(rewards / teacher_temperature) and q = softmax(scores / student_temperature).

    >>> rewards = torch.tensor([[2.0, 1.0]])
    >>> kl_distillation_loss(torch.tensor([[7.0, 6.0]]), rewards) < 1e-6  # the same differences, the same distribution
    tensor(True)
    >>> kl_distillation_loss(torch.tensor([[0.0, 0.0]]), rewards)  # p = 0.7311 and 0.2689, q = 0.5 and 0.5
    tensor(0.1109)

    Source: Hinton et al., 2015 (arXiv 1503.02531), without its factor of temperature squared; used for the memory tasks
    of Zhang et al., ACL 2024 (arXiv 2310.07554).

    Args:
        scores: Similarities divided by the temperature, -inf for an absent candidate, [B, N].
        rewards: LLM rewards of the same candidates, larger is better, [B, N].
        teacher_temperature: Below 1 sharpens the teacher, above 1 flattens it.
        student_temperature: The same for the student, on top of the temperature already in the scores.
        reduction: `none` for the loss of each query.

    Returns:
        The mean over queries, a scalar, or the loss of each, [B]; float32 or float64. A query without candidates
        counts as 0.

    Raises:
        ValueError: A temperature is not above 0.
    """
    check_temperature("teacher_temperature", teacher_temperature)
    check_temperature("student_temperature", student_temperature)
    present = ~scores.isneginf()  # [B, N]
    scores = at_least_float32(scores) / student_temperature
    teacher = masked_softmax(at_least_float32(rewards) / teacher_temperature, present)  # [B, N]
    student = scores.masked_fill(~present, lowest(scores)).log_softmax(dim=-1)  # [B, N]
    # Where p is 0 so is xlogy, and the student's log-probability is low but finite: absent candidates add 0.
    return reduced((torch.xlogy(teacher, teacher) - teacher * student).sum(dim=-1), reduction)
