import random

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from embedder.llm.packed_masks import attending_by
from embedder.llm.packed_scoring import PACKABLE_MODEL_TYPES, score_packed, takes_packed_branches
from embedder.llm.row_scoring import TokenisedRequest, score_in_rows
from embedder.llm.rows_apart import ROWS_APART
from tests.llm.brute_force import score_pair_by_pair

SMALL = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SLIDING = {"sliding_window": 4, "use_sliding_window": True}


def tiny(model_type, **settings):
    names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
    small = {names.get(name, name): value for name, value in SMALL.items()} if model_type == "gpt2" else SMALL
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **{**small, **settings})).eval()


def some_requests(seed=0):
    """Prompts of 1 to 20 tokens with 1 to 6 outputs of 1 to 7 tokens, and one without outputs."""
    chance = random.Random(seed)

    def draw(longest):
        return [chance.randrange(3, 61) for _ in range(chance.randint(1, longest))]

    requests = [TokenisedRequest(draw(20), [draw(7) for _ in range(chance.randint(1, 6))]) for _ in range(9)]
    return [*requests, TokenisedRequest([5, 6], [])]


def assert_same(scores, expected, tolerance=1e-4):
    assert [[score.n_tokens for score in some] for some in scores] == [[s.n_tokens for s in some] for some in expected]
    for some, right in zip(scores, expected, strict=True):
        for score, other in zip(some, right, strict=True):
            assert score.sum_logprob == pytest.approx(other.sum_logprob, abs=tolerance)


@pytest.mark.parametrize("model_type", sorted(PACKABLE_MODEL_TYPES))
def test_on_a_cpu_a_score_does_not_depend_on_what_is_beside_it(model_type):
    model = tiny(model_type)
    # A product of less than four rows, as of the tokens of a text or of what predicts an output, is another sum.
    requests = [TokenisedRequest([7, 8, 9, *row.prompt], [*row.outputs, [5]]) for row in some_requests()]
    with attending_by(model, "sdpa"):
        alone = [score_packed(model, [request], 128)[0] for request in requests]
        assert [score_packed(model, requests, budget) for budget in (64, 128, 4096)] == [alone] * 3  # to the bit


def test_uniform_logits_by_hand():
    model = tiny("llama")
    torch.nn.init.zeros_(model.lm_head.weight)
    # Every token has probability 1/61, log = -4.1109; the outputs have 2 and 1 tokens.
    for score in (score_pair_by_pair, lambda *a: score_in_rows(*a, 64), lambda *a: score_packed(*a, 64)):
        first, second = score(model, [TokenisedRequest([3, 4], [[5, 6], [7]])])[0]
        assert (first.sum_logprob, first.n_tokens) == (pytest.approx(-8.2217, abs=1e-4), 2)
        assert (second.sum_logprob, second.n_tokens) == (pytest.approx(-4.1109, abs=1e-4), 1)


@pytest.mark.parametrize("model_type", sorted(PACKABLE_MODEL_TYPES))
def test_every_model_type_that_is_packed_agrees_with_brute_force(model_type):
    model = tiny(model_type)
    assert takes_packed_branches(model.config)
    requests = some_requests() + [TokenisedRequest([7] * 20 + row.prompt, row.outputs) for row in some_requests(2)]
    expected = score_pair_by_pair(model, requests)
    assert_same(score_packed(model, requests, 128), expected)
    with attending_by(model, "sdpa"):
        assert model.config._attn_implementation == ROWS_APART
        assert_same(score_packed(model, requests, 128), expected)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("model_type", ["gemma3_text", "mistral", "phi3", "qwen2", "qwen3", "smollm3"])
def test_sliding_windows_count_positions_and_not_places_in_the_row(model_type):
    mixed = {"layer_types": ["full_attention", "sliding_attention"]} if model_type not in ("mistral", "phi3") else {}
    model = tiny(model_type, **SLIDING, **mixed)
    requests = some_requests()
    expected = score_pair_by_pair(model, requests)
    assert_same(score_packed(model, requests, 128), expected)
    with attending_by(model, "sdpa"):
        assert_same(score_packed(model, requests, 128), expected)


@pytest.mark.parametrize(("model_type", "settings"), [("llama", {}), ("qwen2", {}), ("mistral", {"sliding_window": 4})])
def test_masks_in_blocks_give_the_same_scores(model_type, settings):
    model, requests = tiny(model_type, **settings), some_requests()
    requests.append(TokenisedRequest([7] * 150, [[3, 4], [5, 6, 7]]))  # more than one block of 128
    with attending_by(model, "flex_attention"):
        scores = score_packed(model, requests, 400)
    assert model.config._attn_implementation == "sdpa"
    assert_same(scores, score_pair_by_pair(model, requests))


@pytest.mark.parametrize("batch_tokens", [1, 16, 40, 4096])
def test_the_budget_does_not_change_the_scores(batch_tokens):
    model = tiny("llama")
    requests = some_requests(1)
    expected = score_pair_by_pair(model, requests)
    assert_same(score_packed(model, requests, batch_tokens), expected)
    assert_same(score_in_rows(model, requests, batch_tokens), expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.02), (torch.float16, 0.002)])
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma3_text", "qwen3"])
def test_half_precision_agrees_with_float32_as_far_as_it_can(model_type, dtype, tolerance):
    # A number of 8 (bfloat16) or 11 (float16) significant bits is off by 1/256 or 1/2048 of itself; outputs of a few
    # tokens sum some of them up.
    requests = some_requests(3)
    expected = [s.sum_logprob for some in score_pair_by_pair(tiny(model_type), requests) for s in some]
    half = tiny(model_type).to(dtype)
    found = [s.sum_logprob for some in score_packed(half, requests, 128) for s in some]
    assert found == pytest.approx(expected, rel=tolerance, abs=10 * tolerance)


def test_no_forward_pass_is_larger_than_promised():
    model = tiny("llama")
    sizes = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    score_packed(model, [TokenisedRequest([3] * 10, [[4] * 9] * 12)], batch_tokens=16)
    # A row is 10 + 8k tokens for k outputs and may have max(16, 2 x 10) = 20: one output a row, twelve rows.
    assert sizes == [(1, 18)] * 12
    sizes.clear()
    score_packed(model, [TokenisedRequest([3] * 10, [[4] * 9] * 12)], batch_tokens=50)
    # 10 + 5 x 8 = 50 takes five outputs: rows of 50, 50 and 10 + 2 x 8 = 26.
    assert sizes == [(1, 50), (1, 50), (1, 26)]


def test_models_that_change_their_logits_or_stretch_positions_are_not_packed():
    assert not takes_packed_branches(AutoConfig.for_model("gemma2", **SMALL))
    assert not takes_packed_branches(AutoConfig.for_model("gemma3_text", **SMALL, final_logit_softcapping=30.0))
    dynamic = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    assert not takes_packed_branches(AutoConfig.for_model("llama", **SMALL, rope_parameters=dynamic))


def test_rows_are_right_for_a_model_that_is_not_packed():
    model = tiny("gemma2", sliding_window=4)
    requests = some_requests(2)
    assert_same(score_in_rows(model, requests, 128), score_pair_by_pair(model, requests))
