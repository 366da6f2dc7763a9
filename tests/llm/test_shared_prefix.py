import random

import pytest
from transformers.cache_utils import Cache

from embedder.llm.decoding import Writing, write
from embedder.llm.packed_masks import attending_by
from embedder.llm.packed_scoring import PACKABLE_MODEL_TYPES, score_and_write, score_packed
from embedder.llm.row_scoring import TokenisedRequest
from embedder.llm.shared_prefix import SharedPrefix, can_share, shared_prefixes, with_cache
from tests.llm.brute_force import score_pair_by_pair
from tests.llm.test_packed_scoring import assert_same, some_requests, tiny

EXAMPLES = list(range(3, 43))  # 40 tokens, as of few-shot examples


def test_groups_by_hand():
    other = [50] * 20
    rows = [[*EXAMPLES, 7], [9, 9], [*EXAMPLES, 8, 8], [*other, 1], EXAMPLES, [*other, 2, 2], [*other, 2, 3]]
    found = {(group.length, frozenset(group.rows)) for group in shared_prefixes(rows)}
    # The third of the first kind is the prefix itself and keeps its last token. Three rows with 20 common tokens save
    # 40, less than a forward pass is worth.
    assert found == {(39, frozenset({0, 2, 4})), (0, frozenset({1, 3, 5, 6}))}


def test_a_few_rows_of_another_kind_do_not_shorten_the_prefix():
    rows = [[*EXAMPLES, 5, k] for k in range(20)] + [[*EXAMPLES[:20], 60, k] for k in range(3)]
    found = shared_prefixes(rows)
    assert found[0] == SharedPrefix(41, tuple(range(20)))
    assert {k for group in found for k in group.rows} == set(range(23))


def test_every_row_is_in_one_group_and_begins_with_its_prefix():
    chance = random.Random(0)
    roots = [[chance.randrange(4) for _ in range(60)] for _ in range(3)]
    rows = [[*chance.choice(roots)[: chance.randint(1, 60)], chance.randrange(4)] for _ in range(200)]
    groups = shared_prefixes(rows)
    assert sorted(k for group in groups for k in group.rows) == list(range(200))
    assert any(group.length for group in groups)
    for group in groups:
        for k in group.rows:
            assert rows[k][: group.length] == rows[group.rows[0]][: group.length]
            assert len(rows[k]) > group.length


def test_nothing_shared():
    assert shared_prefixes([]) == []
    assert shared_prefixes([[1, 2, 3]]) == [SharedPrefix(0, (0,))]


def with_examples(requests):
    return [TokenisedRequest([*EXAMPLES, *request.prompt], request.outputs) for request in requests]


@pytest.mark.parametrize("model_type", sorted(PACKABLE_MODEL_TYPES))
def test_packed_scores_behind_a_prefix_agree_with_brute_force(model_type):
    model = tiny(model_type)
    requests = [*with_examples(some_requests()), *some_requests(1), *with_examples(some_requests(2))]
    assert_same(score_packed(model, requests, 128), score_pair_by_pair(model, requests))


def test_the_prefix_is_run_once():
    model = tiny("llama")
    sizes = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    score_packed(model, [TokenisedRequest([*EXAMPLES, k, 5], [[6, 7], [8]]) for k in range(50, 60)], 4096)
    assert sizes == [(1, 40), (10, 3)]
    sizes.clear()
    # The outputs of one prompt that do not fit into one row share it too: 79 tokens before its last one.
    score_packed(model, [TokenisedRequest([3] * 80, [[4] * 41] * 8)], batch_tokens=160)
    assert sizes == [(1, 79), *[(1, 81)] * 4]


@pytest.mark.parametrize("model_type", ["llama", "gpt2", "gemma3_text", "gpt_neox"])
def test_greedy_text_behind_a_prefix(model_type):
    model = tiny(model_type)
    chance = random.Random(1)
    prompts = [[chance.randrange(3, 61) for _ in range(chance.randint(1, 9))] for _ in range(8)]
    prompts = [*([*EXAMPLES, *prompt] for prompt in prompts), *prompts[:3]]
    writing = Writing(6, lambda tokens: tokens[-1] == 2)
    together = write(model, prompts, 1, writing, 4096)
    alone = [write(model, [prompt], 1, writing, 4096)[0] for prompt in prompts]
    assert together == alone


@pytest.mark.parametrize("model_type", sorted(PACKABLE_MODEL_TYPES - {"gemma3_text", "mistral"}))  # sliding windows
def test_scores_and_text_of_one_reading_are_those_of_two(model_type):
    model = tiny(model_type)
    assert can_share(model.config)
    requests = [*with_examples(some_requests()), *some_requests(1), *with_examples(some_requests(2))]
    free = write(model, [request.prompt for request in requests], 1, Writing(7, lambda tokens: False), 10_000)
    end = free[0][2]

    def is_complete(tokens):
        return tokens[-1] == end

    right = score_pair_by_pair(model, requests)
    for row_tokens, budget in ((10_000, 10_000), (10_000, 200), (10, 200)):
        padded, written = score_and_write(model, requests, Writing(7, is_complete), row_tokens, budget)
        with attending_by(model, "sdpa"):
            scores, again = score_and_write(model, requests, Writing(7, is_complete), row_tokens, budget)
            assert scores == score_packed(model, requests, row_tokens)  # to the bit
        assert_same(padded, right)
        assert_same(scores, right)
        assert written == again == [tokens[: tokens.index(end) + 1] if end in tokens else tokens for tokens in free]
    assert len(written[0]) < 7


class Of524:
    def forward(self, input_ids=None, cache=None, use_cache=None): ...


class Before:
    def forward(self, input_ids=None, past_key_values=None, use_cache=None): ...


@pytest.mark.parametrize(("model", "name"), [(Of524(), "cache"), (Before(), "past_key_values")])
def test_a_cache_is_given_by_the_name_that_the_version_of_transformers_has_for_it(model, name):
    cache = Cache(layers=[])
    assert with_cache(model, cache) == {name: cache, "use_cache": True}
