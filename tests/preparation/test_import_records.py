import json

import pytest

from embedder.data.prepared import PreparedDataset
from embedder.data.records import text_id
from embedder.errors import ConfigError
from embedder.preparation.import_records import import_records
from embedder.preparation.validation import Validation
from embedder.texts import question_hash, text_hash
from embedder.training.objective import KL, Contrastive, Objective
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
    counts = import_records(path, task, Validation(0.1, 5), directory)
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


def lines_of(directory, *rows, most=None):
    path = directory / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = Task("tool", "", "", 64, 64, Objective({"contrastive": Contrastive()}), Sampling())
    counts = import_records(path, task, Validation(0.1, 5), directory, most)
    prepared = PreparedDataset("tool", "mine", directory, directory / "corpus.jsonl")
    return counts, prepared


def test_so_many_records_are_used_at_most_and_a_larger_number_uses_them_too(tmp_path):
    rows = [{"query": f"q{i}", "pos": [f"a{i}"], "neg": [f"b{i}"]} for i in range(30)]
    rows[0] |= {"pos": [], "teacher_scores": [0.0]}  # the objective needs labels
    asked = {}
    for most in (10, 20, 29, None):
        counts, prepared = lines_of(tmp_path, *rows, most=most)
        size = most or 29
        assert counts == {"train": size - (size + 5) // 10, "validation": (size + 5) // 10, "skipped": 30 - size}
        asked[size] = {record.query for role in ("train", "validation") for record in prepared.records(role)}
    assert asked[10] < asked[20] < asked[29] == {f"q{i}" for i in range(1, 30)}


def test_a_query_on_several_lines_has_the_positives_of_all_of_them(tmp_path):
    held_out, trained = sorted(("Where is barley ground?", "Which bridge crosses the Oru?"), key=question_hash)
    counts, prepared = lines_of(
        tmp_path,
        {"query": held_out, "pos": ["a"], "neg": ["b", "x"]},
        {"query": f"{held_out} ", "pos": ["b"], "neg": ["a"], "answers": ["yes"], "other_pos": ["c"]},
        {"query": trained, "pos": ["c"], "neg": ["d\u00a0d"]},
        {"query": trained, "pos": ["d d"], "neg": ["c"]},
        {"query": trained.lower(), "pos": ["e"], "neg": []},
    )
    assert counts == {"train": 3, "validation": 2, "skipped": 0}
    (query,) = prepared.validation_queries()  # asked once, with what both lines label
    assert query.answers == ("yes",)
    assert set(query.positives) == {text_id("a"), text_id("b")}
    assert query.exclude == (text_id("c"),)
    first, second, _ = prepared.records("train")
    assert first.negatives == second.negatives == ()
    assert set(first.known_positives) == set(second.known_positives) == {text_hash("c"), text_hash("d d")}


def test_lines_that_differ_by_case_or_white_space_go_the_same_way(tmp_path):
    rows = [{"query": f"What is {i}?", "pos": [f"p{i}"], "neg": ["n"]} for i in range(20)]
    rows += [row | {"query": f" {row['query'].upper()}"} for row in rows]
    counts, prepared = lines_of(tmp_path, *rows)
    asked = {question_hash(record.query) for record in prepared.records("validation")}
    assert counts["validation"] == 2 * len(asked) > 2
    assert not asked & {question_hash(record.query) for record in prepared.records("train")}


def test_a_line_whose_keys_are_all_labelled_on_another_is_left_out_and_counted(tmp_path):
    rows = [{"query": f"q{i}", "pos": ["p"], "neg": ["n"]} for i in range(9)]
    last = max(rows, key=lambda row: question_hash(row["query"]))["query"]  # trained on
    rows = [row | {"teacher_scores": [1.0, 0.0]} for row in rows]
    rows.append({"query": last, "pos": [], "neg": ["p"], "teacher_scores": [1.0]})
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = Task("lrlm", "", "", 64, 64, Objective({"kl": KL()}), Sampling())
    assert import_records(path, task, Validation(0.1, 5), tmp_path) == {"train": 8, "validation": 1, "skipped": 1}


def test_labels_and_rewards_of_one_file_train_each_by_its_loss(tmp_path, caplog):
    kinds = [
        {"pos": ["p"], "neg": ["n"], "teacher_scores": [1.0, 0.0]},
        {"pos": ["p"], "neg": ["n"], "teacher_scores": [0.1, 0.0]},  # flat, and labelled
        {"pos": [], "neg": ["m", "n"], "teacher_scores": [0.1, 0.0]},  # flat, and not labelled
        {"pos": [], "neg": ["m", "n"], "teacher_scores": [2.0, 0.0]},
        {"pos": ["p"], "neg": ["n"]},
    ]
    rows = [{"query": f"q{i}"} | kind for i in range(6) for kind in kinds]
    for number, row in enumerate(rows):
        row["query"] += f" of kind {number % 5}"
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def imported(losses, name):
        task = Task("lrlm", "", "", 64, 64, Objective(losses), Sampling(), labelling=Labelling(min_reward_gap=0.5))
        (tmp_path / name).mkdir()
        counts = import_records(path, task, Validation(0.1, 3), tmp_path / name)
        trained = PreparedDataset("lrlm", "mine", tmp_path / name, tmp_path / "corpus.jsonl").records("train")
        return counts, {record.query[-1]: record for record in trained}

    counts, both = imported({"kl": KL(), "contrastive": Contrastive()}, "both")
    assert sorted(both) == ["0", "1", "3", "4"]
    assert [both[kind].rewards for kind in "0134"] == [(1.0, 0.0), None, (2.0, 0.0), None]
    assert counts["train"] + counts["validation"] + counts["skipped"] == 30
    _, rewards = imported({"kl": KL()}, "rewards")
    assert sorted(rewards) == ["0", "3"]
    assert "6 records have neither labels nor rewards that the objective could train on" in caplog.text
    _, labels = imported({"contrastive": Contrastive()}, "labels")
    assert sorted(labels) == ["0", "1", "4"]
