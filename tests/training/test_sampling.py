import random

import pytest
import torch

from embedder.errors import ConfigError
from embedder.texts import text_hash
from embedder.training.collate import collate
from embedder.training.negatives import in_batch_negatives, is_first
from embedder.training.objective import Contrastive, Objective
from embedder.training.sampling import Sampling, sample_group
from embedder.training.task import Task
from embedder.types import Key, Record

RECORD = Record(
    id="q",
    query="?",
    positives=tuple(Key(f"p{i}", f"p{i}") for i in range(3)),
    negatives=tuple(Key(f"n{i}", f"n{i}") for i in range(6)),
    rewards=tuple(float(i) for i in range(9)),
)


def test_a_group_keeps_keys_and_rewards_together():
    group = sample_group(RECORD, Sampling(group_size=5, positives=2), random.Random(1))
    assert group.is_positive == (True, True, False, False, False)
    assert len({key.id for key in group.keys}) == 5
    reward_of = dict(zip([key.id for key in RECORD.positives + RECORD.negatives], RECORD.rewards, strict=True))
    assert group.rewards == tuple(reward_of[key.id] for key in group.keys)
    assert group.known_positives == RECORD.known_positives


def test_every_key_is_drawn_sooner_or_later_and_draws_repeat_with_the_seed():
    drawn = {key.id for seed in range(100) for key in sample_group(RECORD, Sampling(3), random.Random(seed)).keys}
    assert len(drawn) == 9
    assert sample_group(RECORD, Sampling(3), random.Random(7)) == sample_group(RECORD, Sampling(3), random.Random(7))


def test_a_short_record_gives_a_small_group():
    record = Record("q", "?", (Key("p", "p"),), (Key("n", "n"),))
    assert len(sample_group(record, Sampling(8), random.Random(0)).keys) == 2


def test_sampling_is_checked():
    with pytest.raises(ConfigError, match=r"positives: expected 1 to 2"):
        Sampling(group_size=2, positives=3)


def test_only_true_negatives_of_the_batch_count():
    # Query 0: keys 1 and 2, known positives 1 and 5. Query 1: keys 3 and 5. Query 2: key 3 and an absent one.
    keys = torch.tensor([[1, 2], [3, 5], [3, 0]])
    positives = torch.tensor([[1, 5], [3, 0], [3, 0]])
    mask = in_batch_negatives(keys, positives, keys.flatten())
    assert mask.tolist() == [
        [False, False, True, False, False, False],  # own, own, 3, a known positive, 3 again, absent
        [True, True, False, False, False, False],
        [True, True, False, True, False, False],  # the 3 of query 1 is this query's own key
    ]


def test_negatives_of_a_part_of_the_batch_are_those_of_the_whole():
    generator = torch.Generator().manual_seed(0)
    keys = torch.randint(0, 9, (6, 3), generator=generator)
    positives = torch.randint(0, 9, (6, 2), generator=generator)
    whole = in_batch_negatives(keys, positives, keys.flatten())
    parts = [in_batch_negatives(keys[i : i + 2], positives[i : i + 2], keys.flatten()) for i in (0, 2, 4)]
    assert torch.equal(whole, torch.cat(parts))


def test_first_occurrences():
    assert is_first(torch.tensor([4, 2, 4, 2, 1])).tolist() == [True, True, False, False, True]


def test_copies_of_a_positive_in_the_batch_are_no_negatives():
    # Two queries; the second brings "p one" in other white space and in wide letters, and a key of its own.
    def tokenize(texts, instruction, max_length, keep):
        return {"attention_mask": torch.ones(len(texts), 1, dtype=torch.int64)}

    def group(name, positive, negative):
        record = Record(
            name, name, (Key("p", positive),), (Key("n", negative),), known_positives=(text_hash(positive),)
        )
        return sample_group(record, Sampling(2), random.Random(0))

    task = Task("tool", "", "", 8, 8, Objective({"contrastive": Contrastive()}), Sampling(2))
    batch = collate([group("a", "p one", "n"), group("b", "p  one\n", "\uff50 other")], task, "d", 0, 2, tokenize)
    mask = in_batch_negatives(batch.key_hashes, batch.known_positive_hashes, batch.key_hashes.flatten())
    assert mask.tolist() == [[False, False, False, True], [False, True, False, False]]
