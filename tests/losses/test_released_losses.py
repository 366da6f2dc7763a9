"""Values and gradients of the published implementation, whose keys of other queries are negatives but for KL."""

import json
from pathlib import Path

import pytest
import torch

from embedder.losses.contrastive import contrastive_loss
from embedder.losses.graded import graded_distillation_loss
from embedder.losses.kl import kl_distillation_loss

CASES = json.loads((Path(__file__).parents[1] / "assets" / "losses.json").read_text(encoding="utf-8"))["cases"]


def name(case):
    return f"{case['mode']}-{case['temperature']}-{len(case['key'])}x{len(case['key'][0])}"


@pytest.mark.parametrize("case", CASES, ids=name)
def test_known_answers_of_the_released_code(case):
    query = torch.tensor(case["query"], dtype=torch.float64, requires_grad=True)  # [B, D]
    key = torch.tensor(case["key"], dtype=torch.float64, requires_grad=True)  # [B, N, D]
    queries, group_size, _ = key.shape
    every = torch.einsum("bd,cnd->bcn", query, key) / case["temperature"]  # [B, B, N]
    own = torch.eye(queries, dtype=torch.bool)
    scores = every[own]  # [B, N]
    other_scores = every.masked_fill(own.unsqueeze(-1), -torch.inf).flatten(1)  # [B, B * N]
    first = torch.arange(group_size).expand(queries, group_size) == 0

    loss = case["contrastive_weight"] * contrastive_loss(scores, first, other_scores)
    if case["mode"] == "graded":
        rewards = torch.tensor(case["rewards"], dtype=torch.float64)
        loss = loss + graded_distillation_loss(scores, rewards, other_scores, case["teacher_temperature"])
    elif case["mode"] == "kl":
        rewards = torch.tensor(case["rewards"], dtype=torch.float64)
        loss = loss + kl_distillation_loss(scores, rewards, case["teacher_temperature"], case["student_temperature"])
    loss.backward()

    assert loss.item() == pytest.approx(case["loss"], abs=1e-6)
    for computed, known in ((query.grad, case["grad_query"]), (key.grad, case["grad_key"])):
        torch.testing.assert_close(computed, torch.tensor(known, dtype=torch.float64), rtol=0, atol=1e-6)
