"""Which queries are held out, and that prompts do not change with how many are labelled or held out."""

import json

import pytest

from embedder.app.jobs import Validation, make_job
from embedder.data.examples import Examples
from embedder.data.prompts import QuestionPrompt
from embedder.data.sources import Dataset
from embedder.training.objective import Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Task

TASK = Task(
    "qa", "q: ", "k: ", 64, 64, Objective({"graded": Graded()}), Sampling(), prompt=QuestionPrompt(Examples(n=2))
)


@pytest.fixture
def make(tmp_path):
    def make_dataset(n):
        (tmp_path / "corpus.jsonl").write_text(
            "".join(json.dumps({"id": f"k{i}", "text": f"{i}"}) + "\n" for i in range(n))
        )
        rows = [{"query_id": f"{i}", "query": f"q{i}?", "answers": [f"{i}"], "pos": [f"k{i}"]} for i in range(n)]
        (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Dataset("qa", "mine", tmp_path / "corpus.jsonl", tmp_path / "train.jsonl")

    return make_dataset


def test_examples_are_never_held_out_and_stay_the_same_whatever_is_labelled(make):
    dataset = make(60)
    jobs = [
        make_job(TASK, dataset, Validation(share, 30), n)
        for share, n in ((0.1, None), (0.5, None), (0.3, 20), (0.9, 40))
    ]
    assert [len(job.held_out) for job in jobs] == [6, 30, 6, 30]
    assert len({job.prompt for job in jobs}) == 1
    shown = {example.question for example in jobs[0].prompt.examples.pool}
    assert len(shown) == 3  # one more than is shown, in case one is the query
    for job in jobs:
        assert not shown & {query.text for query in job.queries if query.id in job.held_out}
        assert job.held_out < {query.id for query in job.queries}


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_handful_of_queries_leaves_some_for_everything(make, n):
    job = make_job(TASK, make(n), Validation(0.1, 30), None)
    assert len(job.held_out) == 1
    assert all(example.question != f"q{next(iter(job.held_out))}?" for example in job.prompt.examples.pool)


def test_queries_of_one_text_go_the_same_way_and_share_their_gold_keys(make, tmp_path):
    dataset = make(30)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").open()]
    rows += [row | {"query_id": f"again {row['query_id']}", "pos": ["k0"]} for row in rows]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = make_job(TASK, dataset, Validation(0.2, 30), None)
    held_out = {query.text for query in job.queries if query.id in job.held_out}
    assert len(job.held_out) == 2 * len(held_out) >= 12
    assert not held_out & {query.text for query in job.queries if query.id not in job.held_out}
    assert not held_out & {example.question for example in job.prompt.examples.pool}
    by_id = {query.id: query.positives for query in job.queries}
    assert (by_id["7"], by_id["again 7"]) == (("k7", "k0"), ("k0", "k7"))


def dialogues(tmp_path, lengths):
    rows, keys = [], []
    for name, n in lengths.items():
        keys += [{"id": f"{name}/{i}", "text": f"{name} said {i}"} for i in range(n)]
        among = [f"{name}/0", f"{name}/{n - 1}"]
        rows += [
            {
                "query_id": f"{name}-{i}",
                "query": f"{name}{i}?",
                "answers": ["yes"],
                "pos": [f"{name}/{i}"],
                "among": among,
            }
            for i in range(n)
        ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(key) + "\n" for key in keys))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Dataset("chat", "mine", tmp_path / "corpus.jsonl", tmp_path / "train.jsonl")


def test_dialogues_are_held_out_whole(tmp_path):
    job = make_job(TASK, dialogues(tmp_path, dict.fromkeys("abcdefgh", 10)), Validation(0.2, 100), None)
    held_out = {query_id.partition("-")[0] for query_id in job.held_out}
    assert len(held_out) == 2  # 16 of 80 are asked for, and a dialogue has 10
    assert len(job.held_out) == 20
    assert not held_out & {example.question[0] for example in job.prompt.examples.pool}


def test_of_a_single_dialogue_some_queries_are_held_out(tmp_path):
    job = make_job(TASK, dialogues(tmp_path, {"a": 20}), Validation(0.2, 100), None)
    assert len(job.held_out) == 4


def test_a_task_limits_its_own_queries(tmp_path, make):
    from dataclasses import replace

    from embedder.training.task import Labelling

    task = replace(TASK, labelling=Labelling(max_queries=7))
    assert len(make_job(task, make(60), Validation(0.2, 30), None).queries) == 7
    assert len(make_job(task, make(60), Validation(0.2, 30), 5).queries) == 5
    assert {q.id for q in make_job(task, make(60), Validation(0.2, 30), 5).queries} < {
        q.id for q in make_job(task, make(60), Validation(0.2, 30), None).queries
    }
