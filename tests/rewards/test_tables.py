import json

import numpy as np
import pytest

from embedder.data.records import Records
from embedder.data.reward_column import RewardColumn, without_flat, write_reward_column
from embedder.errors import DataError
from embedder.rewards.reward import LikelihoodReward, RankReward
from embedder.rewards.tables import ScoreTable, TableWriter, rewards_of, rewards_of_file


def tables(n, seed=0):
    """Queries of many shapes: 0 to 4 candidates, 1 to 3 answers, 0 to 5 competitors."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        c, a, o = chance.integers(0, 5), chance.integers(1, 4), chance.integers(0, 6)
        sums = -chance.integers(1, 6, size=(1 + c, a + o)).astype(float)
        made.append(ScoreTable(sums, chance.integers(1, 4, size=sums.shape).astype(np.int32), int(a)))
    return made


@pytest.mark.parametrize("reward", [RankReward(), LikelihoodReward()])
def test_a_file_of_tables_earns_what_the_tables_earn_in_their_order(tmp_path, reward):
    some = tables(300)
    with TableWriter(tmp_path / "t.arrow") as writer:
        writer.write(some[:200])
        writer.write([])
        writer.write(some[200:])
    write_reward_column(tmp_path / "r.npy", rewards_of_file(tmp_path / "t.arrow", reward))
    column = RewardColumn(tmp_path / "r.npy")
    assert len(column) == 300
    for k, expected in enumerate(rewards_of(some, reward)):
        assert column[k] == pytest.approx(list(expected), abs=1e-6)


def test_files_that_are_not_whole_are_named(tmp_path):
    with TableWriter(tmp_path / "t.arrow") as writer:
        writer.write(tables(20))
    whole = (tmp_path / "t.arrow").read_bytes()
    (tmp_path / "t.arrow").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"t\.arrow: not a whole file of log-likelihoods"):
        list(rewards_of_file(tmp_path / "t.arrow", RankReward()))
    (tmp_path / "r.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"r\.npy: not a whole file of rewards"):
        RewardColumn(tmp_path / "r.npy")


def test_records_take_the_rewards_of_their_column(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"query": "a", "pos": ["x"], "neg": ["y"]}\n{"query": "b", "neg": ["z"]}\n')
    write_reward_column(tmp_path / "r.npy", [(np.float32([2.0, -1.0, 0.5]), np.array([2, 1]))])
    records = Records(tmp_path / "r.jsonl", rewards=RewardColumn(tmp_path / "r.npy"))
    assert [record.rewards for record in records] == [(2.0, -1.0), (0.5,)]
    write_reward_column(tmp_path / "short.npy", [(np.float32([2.0, -1.0]), np.array([2]))])
    with pytest.raises(DataError, match=r"rewards of 1 records for 2 in .*r\.jsonl"):
        Records(tmp_path / "r.jsonl", rewards=RewardColumn(tmp_path / "short.npy"))


def test_queries_that_are_not_judged_have_no_rewards(tmp_path):
    some = tables(40)
    mixed = [None if k % 3 == 0 else table for k, table in enumerate(some)]
    with TableWriter(tmp_path / "t.arrow") as writer:
        writer.write([None, None])
        writer.write(mixed)
    write_reward_column(tmp_path / "r.npy", rewards_of_file(tmp_path / "t.arrow", RankReward()))
    column = RewardColumn(tmp_path / "r.npy")
    assert len(column) == 42
    expected = [[] if table is None else list(rewards_of([table], RankReward())[0]) for table in mixed]
    assert [column[k] for k in range(42)] == [[], [], *expected]


def test_flat_rewards_are_taken_away_by_hand(tmp_path):
    # Gaps 3, 0.25, none, 0 and 0.5; a gap that is just reached counts.
    rewards = np.float32([2.0, -1.0, 0.5, 0.25, 0.5, 1.0, 1.0, 0.0, 0.5, 0.25])
    blocks = [(rewards[:5], np.array([3, 2, 0])), (rewards[5:], np.array([2, 3]))]

    def filled(gap):
        return [length > 0 for _, lengths in without_flat(blocks, gap) for length in lengths]

    assert filled(0.25) == [True, True, False, False, True]
    assert filled(0.5) == [True, False, False, False, True]
    assert not any(filled(9.0))
    write_reward_column(tmp_path / "r.npy", without_flat(blocks, 0.5))
    rows = [{"query": f"q{i}", "pos": ["p"][: n == 2], "neg": [f"{k}" for k in range(n - (n == 2))]}
            for i, n in enumerate((3, 2, 2, 2, 3))]  # fmt: skip
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    records = Records(tmp_path / "r.jsonl", rewards=RewardColumn(tmp_path / "r.npy"))
    assert [record.rewards for record in records] == [(2.0, -1.0, 0.5), None, None, None, (0.0, 0.5, 0.25)]
