import json

import pytest

from embedder.app.import_records import import_records
from embedder.errors import ConfigError
from embedder.training.objective import KL, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Labelling, Task


def take_in(directory, gaps, min_gap):
    path = directory / "mine.jsonl"
    rows = [
        {"query": f"q{i}", "pos": [], "neg": [f"a{i}", f"b{i}"], "teacher_scores": [gap, 0.0]}
        for i, gap in enumerate(gaps)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    labelling = Labelling(min_reward_gap=min_gap)
    task = Task("lrlm", "", "", 64, 64, Objective({"kl": KL()}), Sampling(), labelling=labelling)
    counts = import_records(path, task, 0.1, 5, directory)
    return counts, [json.loads(line)["query"] for line in (directory / "train.jsonl").open()]


def test_training_records_with_flat_rewards_are_left_out_and_counted(tmp_path):
    gaps = [0.05, 0.2] * 10
    counts, everything = take_in(tmp_path, gaps, 0.0)
    assert counts == {"train": 18, "validation": 2, "skipped": 0}
    wide = [query for query in everything if gaps[int(query[1:])] >= 0.1]
    counts, kept = take_in(tmp_path, gaps, 0.1)
    assert kept == wide
    assert counts == {"train": len(wide), "validation": 2, "skipped": 18 - len(wide)}


def test_a_gap_that_no_record_has_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"tasks.lrlm.labelling.min_reward_gap: .* mine.jsonl differ by, got 1.0"):
        take_in(tmp_path, [0.5] * 10, 1.0)
