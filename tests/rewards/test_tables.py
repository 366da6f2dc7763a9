import json

import numpy as np
import pytest

from embedder.data.records import Records
from embedder.data.reward_column import RewardColumn, write_reward_column
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


def test_wide_records_by_hand(tmp_path):
    # Gaps 3, 0.25, 0 and 0.5; a gap that is just reached counts.
    rewards = np.float32([2.0, -1.0, 0.5, 0.25, 0.5, 1.0, 1.0, 0.0, 0.5, 0.25])
    write_reward_column(tmp_path / "r.npy", [(rewards[:5], np.array([3, 2])), (rewards[5:], np.array([2, 3]))])
    column = RewardColumn(tmp_path / "r.npy")
    assert [column.wide(gap).tolist() for gap in (0.0, 0.25, 0.5, 9.0)] == [[0, 1, 2, 3], [0, 1, 3], [0, 3], []]
    write_reward_column(tmp_path / "bare.npy", [(np.float32([1.0, 2.0]), np.array([0, 2, 0]))])
    assert RewardColumn(tmp_path / "bare.npy").wide(0.5).tolist() == [1]
    rows = [{"query": f"q{i}", "pos": [], "neg": [f"{k}" for k in range(n)]} for i, n in enumerate((3, 2, 2, 3))]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    records = Records(tmp_path / "r.jsonl", rewards=column, kept=column.wide(0.5))
    assert [(record.query, record.rewards) for record in records] == [
        ("q0", (2.0, -1.0, 0.5)),
        ("q3", (0.0, 0.5, 0.25)),
    ]
