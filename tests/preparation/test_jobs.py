"""Which queries are held out, and that prompts do not change with how many are labelled or held out."""

import json
from dataclasses import replace

import numpy as np
import pytest

from embedder.candidates.candidates import Candidates
from embedder.candidates.finder import CandidateFinder
from embedder.candidates.proposers import BM25Proposer
from embedder.data.corpus import Corpus
from embedder.data.examples import Examples
from embedder.data.overlap import trained_on
from embedder.data.prepared import PreparedDataset
from embedder.data.prompts import QuestionPrompt
from embedder.data.queries import question_of
from embedder.data.sources import Dataset
from embedder.errors import DataError
from embedder.metrics.text import has_answer
from embedder.preparation.job import BEYOND, UNUSABLE, make_job
from embedder.preparation.validation import Validation, held_out_together
from embedder.preparation.write_records import write_records
from embedder.texts import question_form, question_hash
from embedder.training.budget import Budget
from embedder.training.objective import Contrastive, Graded, Objective
from embedder.training.sampling import Sampling
from embedder.training.task import Labelling, Task

TASK = Task(
    "qa", "q: ", "k: ", 64, 64, Objective({"graded": Graded()}), Sampling(), prompt=QuestionPrompt(Examples(n=2))
)


def job_of(task, dataset, validation, max_train_queries, budget=Budget()):  # noqa: B008  # frozen
    return make_job(task, dataset, Corpus(dataset.file("corpus")), validation, max_train_queries, budget)


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
        job_of(TASK, dataset, Validation(share, 30), n) for share, n in ((0.1, None), (0.5, None), (0.3, 20), (0.9, 40))
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
    job = job_of(TASK, make(n), Validation(0.1, 30), None)
    assert len(job.held_out) == 1
    assert all(example.question != f"q{next(iter(job.held_out))}?" for example in job.prompt.examples.pool)


def test_queries_of_one_text_go_the_same_way_and_share_their_gold_keys(make, tmp_path):
    dataset = make(30)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").open()]
    rows += [row | {"query_id": f"again {row['query_id']}", "pos": ["k0"]} for row in rows]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = job_of(TASK, dataset, Validation(0.2, 30), None)
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
    job = job_of(TASK, dialogues(tmp_path, dict.fromkeys("abcdefgh", 10)), Validation(0.2, 100), None)
    held_out = {query_id.partition("-")[0] for query_id in job.held_out}
    assert len(held_out) == 2  # 16 of 80 are asked for, and a dialogue has 10
    assert len(job.held_out) == 20
    assert not held_out & {example.question[0] for example in job.prompt.examples.pool}


def test_of_a_single_dialogue_some_queries_are_held_out(tmp_path):
    job = job_of(TASK, dialogues(tmp_path, {"a": 20}), Validation(0.2, 100), None)
    assert len(job.held_out) == 4


def test_a_task_limits_its_own_queries(tmp_path, make):
    task = replace(TASK, labelling=Labelling(max_train_queries=7))
    assert len(job_of(task, make(60), Validation(0.2, 30), None).queries) == 7
    assert len(job_of(task, make(60), Validation(0.2, 30), 5).queries) == 5
    assert {q.id for q in job_of(task, make(60), Validation(0.2, 30), 5).queries} < {
        q.id for q in job_of(task, make(60), Validation(0.2, 30), None).queries
    }


def test_questions_that_differ_by_case_and_white_space_alone_go_the_same_way(make, tmp_path):
    dataset = make(30)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").open()]
    rows += [row | {"query_id": f"again {row['query_id']}", "query": f" {row['query'].upper()}"} for row in rows]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = job_of(TASK, dataset, Validation(0.2, 30), None)
    held_out = {question_of(query) for query in job.queries if query.id in job.held_out}
    assert len(job.held_out) == 2 * len(held_out) >= 12
    assert not held_out & {question_of(query) for query in job.queries if query.id not in job.held_out}
    pool = [question_form(example.question) for example in job.prompt.examples.pool]
    assert len(set(pool)) == len(pool) == 3  # none stands in for itself
    assert all(example.question != "q7?" for example in job.prompt.examples.shown("Q7? ", with_keys=False))


def test_no_prompt_shows_its_own_question(make):
    job = job_of(TASK, make(10), Validation(0.2, 30), None)
    for example in job.prompt.examples.pool:
        for own in (example.question, f"{example.question.upper()} ", f"  {example.question}"):
            shown = job.prompt.examples.shown(own, with_keys=True)
            assert len(shown) == 2
            assert example not in shown


def test_what_one_data_set_holds_out_no_other_trains_on(tmp_path):
    def prepared(name, trained, held_out):
        (tmp_path / name).mkdir()
        for file, numbers in (("train", trained), ("validation", held_out)):
            rows = [{"query": f"q{i}", "pos": [f"p{i}"], "neg": ["n"]} for i in numbers]
            (tmp_path / name / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for file, numbers in (("train.queries", trained), ("queries", held_out)):
            rows = [{"query_id": f"{i}", "query": f"Q{i}", "pos": []} for i in numbers]
            (tmp_path / name / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        np.save(tmp_path / name / "train.questions.npy", [question_hash(f"q{i}") for i in trained])
        return PreparedDataset("tool", name, tmp_path / name, tmp_path / "corpus.jsonl")

    one, other = held_out_together([prepared("one", range(10), [10, 11]), prepared("other", [*range(8, 13)], [3, 4])])
    assert [record.query for record in one.records("train")] == [f"q{i}" for i in (0, 1, 2, 5, 6, 7, 8, 9)]
    assert [record.query for record in other.records("train")] == ["q8", "q9", "q12"]
    assert [query.text for query in other.train_queries()] == ["Q8", "Q9", "Q12"]
    assert [record.query for record in other.records("validation")] == ["q3", "q4"]
    with pytest.raises(DataError, match="validates on every training question"):
        held_out_together([one, prepared("third", [10], [99])])


def test_test_questions_that_are_training_questions_are_counted_over_all_data_sets(tmp_path, caplog):
    def dataset(name, train, test):
        for split, texts in (("train", train), ("test", test)):
            rows = [{"query_id": f"{i}", "query": text} for i, text in enumerate(texts)]
            (tmp_path / f"{name}.{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Dataset("qa", name, None, *(tmp_path / f"{name}.{split}.jsonl" for split in ("train", "test")))

    one = dataset("one", ["Who?", "What?"], ["who? ", "Where?", "Why?"])
    other = dataset("other", ["Why?"], ["How?"])
    found = trained_on([one, other])
    assert {name: (own.questions, own.same, own.nearest) for name, own in found.items()} == {
        one: (3, 2, []),
        other: (1, 0, []),
    }
    (record,) = caplog.records
    assert "qa/one: 2 of 3 test questions are training questions too" in record.getMessage()


def test_a_near_duplicate_of_a_gold_key_is_named_in_the_record_so_that_no_batch_has_it_as_negative(tmp_path):
    gold = " ".join(f"word{i}" for i in range(60))
    keys = [("gold", gold), ("copy", f"{gold} once"), ("other", "word1 and word2 elsewhere")]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"id": a, "text": b}) + "\n" for a, b in keys))
    rows = [{"query_id": f"q{i}", "query": f"word{i} word1", "pos": ["gold"]} for i in range(4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Dataset("tool", "small", tmp_path / "corpus.jsonl", tmp_path / "train.jsonl")
    job = make_job(
        Task("tool", "", "", 64, 64, Objective({"contrastive": Contrastive()}), Sampling()),
        source,
        Corpus(source.file("corpus")),
        Validation(0.25, 1),
        None,
    )
    finder = CandidateFinder(Candidates(n=3), [BM25Proposer()], job.corpus, has_answer)
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    _, about = write_records(job, finder, None, prepared)
    records = [json.loads(line) for line in (prepared / "train.jsonl").read_text().splitlines()]
    assert [(row["pos_id"], row["neg_id"], row["other_pos"]) for row in records] == [
        (["gold"], ["other"], [f"{gold} once"])
    ] * 3
    assert about["dropped_candidates"] == {"near_duplicates": 4}


BOTH = replace(TASK, objective=Objective({"graded": Graded(), "contrastive": Contrastive()}))


def mixed(make, tmp_path, n=80):
    """A quarter each of queries with answers and labels, answers alone, labels alone, neither."""
    dataset = make(n)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").open()]
    for i, row in enumerate(rows):
        row |= {"answers": row["answers"] if i % 4 < 2 else [" "], "pos": row["pos"] if i % 2 == 0 else []}
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return dataset


def kinds(ids):
    return {int(query_id) % 4 for query_id in ids}


def test_every_label_and_every_answer_is_used(make, tmp_path):
    job = job_of(BOTH, mixed(make, tmp_path), Validation(0.1, 30), None)
    assert len(job.queries) == 60
    assert kinds(job.judged) == {0, 1}
    assert len(job.judged) == 40
    assert job.skipped == {UNUSABLE: 20}
    for task, left in ((TASK, {0, 1}), (replace(TASK, objective=Objective()), {0, 2})):
        one = job_of(task, mixed(make, tmp_path), Validation(0.1, 30), None)
        assert kinds(query.id for query in one.queries) == left
        assert one.skipped == {UNUSABLE: 40}


def test_the_budget_is_spent_on_queries_with_answers_and_a_smaller_one_on_the_first_of_them(make, tmp_path):
    dataset = mixed(make, tmp_path)
    jobs = [job_of(BOTH, dataset, Validation(0.1, 30), None, Budget(queries=n)) for n in (5, 12, 100)]
    orders = [[query.id for query in job.to_judge] for job in jobs]
    assert list(map(len, orders)) == [5, 12, 40]
    assert orders[2][:12] == orders[1]
    assert orders[1][:5] == orders[0]
    assert len({job.prompt for job in jobs}) == 1
    for job in jobs[:2]:
        labelled = {query.id for query in job.queries if query.positives}
        assert len(labelled) == 40  # all of them train, judged or not
        assert {query.id for query in job.queries} == labelled | job.judged
        assert job.skipped == {
            UNUSABLE: 20,
            BEYOND: len([i for i in orders[2] if int(i) % 4 == 1]) - len(job.judged - labelled),
        }
    alone = job_of(TASK, dataset, Validation(0.1, 30), None, Budget(queries=12))
    assert {query.id for query in alone.queries} == alone.judged == set(orders[1])


def test_the_cap_is_on_what_trains_and_not_on_what_is_drawn(make, tmp_path):
    job = job_of(BOTH, mixed(make, tmp_path), Validation(0.1, 30), 20, Budget(queries=4))
    assert len(job.queries) + job.skipped[BEYOND] == 20
    assert len(job.judged) == 4


def test_what_an_open_budget_did_not_reach_trains_on_its_labels(make, tmp_path):
    job = job_of(BOTH, mixed(make, tmp_path), Validation(0.1, 30), None, Budget(minutes=1))
    reached = {query.id for query in job.to_judge[:9]}
    spent = job.spent(reached)
    same = job_of(BOTH, mixed(make, tmp_path), Validation(0.1, 30), None, Budget(queries=9))
    assert [query.id for query in spent.queries] == [query.id for query in same.queries]
    assert (spent.judged, spent.prompt, spent.skipped) == (same.judged, same.prompt, same.skipped)
    shown = {example.question for example in spent.prompt.examples.pool}
    assert not shown & {query.text for query in spent.queries if query.id in spent.held_out}
    with pytest.raises(DataError, match="1 queries are labelled or were judged within the budget"):
        job_of(TASK, mixed(make, tmp_path), Validation(0.1, 30), None, Budget(minutes=1)).spent({job.to_judge[0].id})
