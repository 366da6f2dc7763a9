"""Public forms of benchmarks: files of the published columns, read through the library that reads the hub."""

import builtins
import gzip
import json
import logging
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from embedder.data.fields import Row
from embedder.data.forms import Documents, FewShotExamples
from embedder.data.queries import Queries
from embedder.errors import ConfigError, DataError, MissingExtraError
from embedder.public import (
    ExampleTask,
    ExampleTasks,
    Judged,
    Judgments,
    PublicSource,
    Questions,
    QuestionsWithParagraphs,
    Sessions,
    Table,
    Texts,
)
from tests.public.files import lines, parquet, read

datasets = pytest.importorskip("datasets")


def test_a_table_of_other_columns_is_read_by_their_names(tmp_path, wikipedia):
    answer = {"value": "Sun", "aliases": ["The Sun", "Sun"], "normalized_value": "sun"}
    table = parquet(tmp_path / "t.parquet", [{"question_id": "tc_1", "text": "q", "answer": answer}])
    form = Questions(table, question="text", answers=["answer.value", "answer.aliases"], id="question_id")
    dataset, keys, queries = read(tmp_path, form, corpus=wikipedia)
    assert keys == {"1": 'Aaron Aaron "the" prophet.', "2": "Null null"}
    assert queries["tc_1"].answers == ("Sun", "The Sun")
    assert (dataset.name, dataset.train) == ("set", None)


def test_mmlu_keeps_choices_and_subject(tmp_path, wikipedia):
    row = {"question": "2 + 2?", "subject": "abstract_algebra", "choices": ["3", "4"], "answer": 1}
    form = Questions(Table("json"), answers=["answer"], id=None, options="choices", task_name="subject")
    _, _, queries = read(tmp_path, replace(form, test=parquet(tmp_path / "m.parquet", [row])), corpus=wikipedia)
    assert (queries["0"].options, queries["0"].answers) == (("3", "4"), ("4",))
    assert queries["0"].group("task_name") == "abstract_algebra"
    with pytest.raises(DataError, match="column 'answer': expected a number from 0 to 1, got 2"):
        read(tmp_path, replace(form, test=parquet(tmp_path / "n.parquet", [row | {"answer": 2}])), corpus=wikipedia)


def test_msc_asks_in_the_last_session_for_what_was_said_before(tmp_path):
    rows = [
        {"dialoug_id": 0, "session_id": 0, "dialogue": ["a", "b", "c", "d", "odd"]},
        {"dialoug_id": 0, "session_id": 1, "dialogue": ["e", "f", "g", "h"]},
        {"dialoug_id": 1, "session_id": 0, "dialogue": ["i", "j"]},
    ]
    _, keys, queries = read(tmp_path, Sessions(parquet(tmp_path / "msc.parquet", rows)), "chat")
    assert keys["0/2"] == "Speaker 1: e\nSpeaker 2: f"
    assert list(keys) == ["0/0", "0/1", "0/2", "0/3", "1/0"]
    assert {q.id: (q.text, q.answers, q.among) for q in queries.values()} == {
        "0/2": ("e", ("f",), ("0/0", "0/1")),
        "0/3": ("g", ("h",), ("0/0", "0/2")),
    }
    both = Sessions(parquet(tmp_path / "msc.parquet", rows), train=parquet(tmp_path / "train.parquet", rows[:2]))
    dataset, keys, _ = read(tmp_path, both, "chat")
    assert list(keys)[5:] == ["train-0/0", "train-0/1", "train-0/2", "train-0/3"]
    assert [q.among for q in Queries(dataset.file("train"))] == [("train-0/0", f"train-0/{n}") for n in (1, 2)]
    with pytest.raises(DataError, match="dialogue '0': expected its sessions one after the other"):
        read(tmp_path, Sessions(parquet(tmp_path / "x.parquet", rows[1::-1])), "chat")


def test_documents_are_cut_to_the_same_length_and_chunked_by_the_task(tmp_path):
    rows = [
        {"short_book_title": "B", "text": " ".join(f"w{n}" for n in range(50))},
        {"short_book_title": "S", "text": "short"},
    ]
    form = Texts(parquet(tmp_path / "pg19.parquet", rows), words=40)
    chunks = Documents(chunk_words=4, min_keys=4, test_chunks=2)
    _, keys, queries = read(tmp_path, form, "lrlm", task_form=chunks)
    assert len(keys) == 9  # 40 words are 10 chunks; each but the last is a key
    assert queries["0/8"].answers == (" w36 w37 w38 w39",)
    dataset, keys, _ = read(tmp_path, replace(form, train=form.test, max_documents=1), "lrlm", task_form=chunks)
    assert len(keys) == 18
    assert {q.id.split("/")[0] for q in Queries(dataset.file("train"))} == {"train-0"}
    with pytest.raises(DataError, match="expected documents of 60 words or more, got none"):
        read(tmp_path, Texts(form.test, words=60), "lrlm", task_form=chunks)


def test_toolbench_has_files_without_a_header_and_documents_in_json(tmp_path):
    tool = {
        "category_name": "Sports",
        "tool_name": "Scores",
        "api_name": "live",
        "required_parameters": [{"name": "id"}],
    }

    def line(key_id, tool):
        return f"{key_id}\t" + '"' + json.dumps(tool).replace('"', '""') + '"\n'

    # Its script repeats a document for each query that names it, and a query for each of its documents.
    corpus = "docid\tdocument_content\n" + line(7, tool) + line(8, tool | {"api_name": "past"}) + line(7, tool)
    (tmp_path / "corpus.tsv").write_text(corpus)
    (tmp_path / "test.query.txt").write_text('1\tWho "won"?\n2\tother\n1\tWho "won"?\n')
    (tmp_path / "qrels.test.tsv").write_text("1\t0\t7\t1\n1\t0\t8\t1\n1\t0\t7\t1\n")

    def table(name, json_columns=(), **options):
        return Table(
            "csv", "test", files=str(tmp_path / name), options={"delimiter": "\t", **options}, json_columns=json_columns
        )

    queries = table("test.query.txt", header=None, names=["qid", "query"])
    qrels = table("qrels.test.tsv", header=None, names=["qid", "unused", "docid", "label"])
    form = Judged(
        Judgments(queries, qrels, "{qid}", "docid", "label"),
        table("corpus.tsv", ["document_content"]),
        key_id="{docid}",
        key_title="",
        key_text="{document_content.api_name}: {document_content.required_parameters}",
        keys_repeat=True,
        query_id="{qid}",
        query_text="{query}",
    )
    _, keys, queries = read(tmp_path, form, "tool")
    assert keys == {"7": 'live: [{"name": "id"}]', "8": 'past: [{"name": "id"}]'}
    assert {q.id: (q.text, q.positives) for q in queries.values()} == {"1": ('Who "won"?', ("7", "8"))}
    (tmp_path / "corpus.tsv").write_text(corpus + line(8, tool))
    with pytest.raises(DataError, match=r"corpus.tsv.*document '8' has another text than before"):
        read(tmp_path, form, "tool")


def test_of_documents_that_repeat_digests_are_held_in_memory():
    class Repeating:
        label, paths = "documents", ()

        def __init__(self, n):
            self.n = n

        def rows(self, columns):
            for n in 2 * list(range(self.n)):
                yield Row({"id": str(n), "title": "", "text": f"{n:06} " * 10_000}, Path("documents"), n)

    form = Judged(Judgments(Repeating(0), Repeating(0)), Repeating(200), keys_repeat=True)
    _, keys = next(form.convert())
    tracemalloc.start()
    ids = [key["id"] for key in keys]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ids == [str(n) for n in range(200)]
    assert most < 2e6  # the documents are 14 MB, one of them 70 kB


def test_qrecc_puts_the_dialogue_in_front_and_reads_lists_of_gold_passages(tmp_path):
    turns = [
        {"Context": [], "Question": "who?", "Answer": "he", "Conversation_no": 3, "Turn_no": 1},
        {"Context": ["who?", "he"], "Question": "why?", "Answer": "", "Conversation_no": 3, "Turn_no": 2},
    ]
    truth = [{"Conversation_no": 3, "Turn_no": turn, "Truth_passages": gold} for turn, gold in ((1, ["p1"]), (2, []))]
    tables = lines(tmp_path / "turns.jsonl", turns), lines(tmp_path / "truth.jsonl", truth)
    form = Judged(
        Judgments(*tables, "{Conversation_no}_{Turn_no}", "Truth_passages", None),
        lines(tmp_path / "passages.jsonl", [{"id": "p1", "contents": "He did."}]),
        key_id="{id}",
        key_title="",
        key_text="{contents}",
        query_id="{Conversation_no}_{Turn_no}",
        query_text="{Question}",
        history="Context",
        answers=["Answer"],
    )
    _, _, queries = read(tmp_path, form, "convsearch")
    assert {q.id: (q.text, q.positives, q.answers) for q in queries.values()} == {
        "3_1": ("who?", ("p1",), ("he",)),
        "3_2": ("who? he why?", (), ()),
    }


BEIR = {"query": "{query-id}", "key": "corpus-id", "score": "score"}


def test_judged_tables_are_documents_queries_and_judgments(tmp_path):
    corpus = parquet(
        tmp_path / "c.parquet", [{"id": "d1", "title": "T", "text": ""}, {"id": "d2", "title": "", "text": "x"}]
    )
    queries = parquet(
        tmp_path / "q.parquet", [{"id": "1", "title": "", "text": "one"}, {"id": "2", "title": "", "text": "two"}]
    )
    (tmp_path / "test.tsv").write_text("query-id\tcorpus-id\tscore\n2\td1\t1\n2\td2\t0\n")
    qrels = Table("csv", "test", files=str(tmp_path / "test.tsv"), options={"delimiter": "\t"})
    form = Judged(Judgments(queries, qrels, **BEIR), corpus)
    _, keys, found = read(tmp_path, form)
    assert keys == {"d1": "T", "d2": "x"}
    assert {q.id: q.positives for q in found.values()} == {"2": ("d1",)}
    (tmp_path / "test.tsv").write_text("query-id\tcorpus-id\tscore\n9\td1\t1\n")
    with pytest.raises(DataError, match="names the query '9', which is not in"):
        read(tmp_path, form)


def test_a_document_of_a_querys_own_id_is_left_out_in_beir_but_numbers_of_toolbench_may_coincide(tmp_path):
    texts = [{"id": name, "title": "", "text": name} for name in ("a1", "a2", "a3")]
    table = parquet(tmp_path / "c.parquet", texts)
    (tmp_path / "test.tsv").write_text("query-id\tcorpus-id\tscore\na1\ta2\t1\na3\ta3\t1\n")
    qrels = Table("csv", "test", files=str(tmp_path / "test.tsv"), options={"delimiter": "\t"})
    form = Judged(Judgments(table, qrels, **BEIR), table)
    _, _, found = read(tmp_path, replace(form, exclude_own=True))
    assert {q.id: (q.positives, q.exclude) for q in found.values()} == {"a1": (("a2",), ("a1",)), "a3": ((), ("a3",))}
    _, _, found = read(tmp_path, form)
    assert {q.id: (q.positives, q.exclude) for q in found.values()} == {"a1": (("a2",), ()), "a3": (("a3",), ())}


@pytest.fixture
def icl_tasks(tmp_path):
    choices = {"text": ["red", "blue"], "label": ["A", "B"]}
    arc = [{"question": "Sky?", "choices": choices, "answerKey": "B"}]
    wino = [{"sentence": "_ is big", "option1": "sun", "option2": "moon", "answer": "1"}]
    boolq = [{"passage": "P.", "question": "is it", "answer": True}]
    squad = [{"context": "C.", "question": "What?", "answers": {"text": ["x", "y"], "answer_start": [0, 1]}}]
    tables = {
        name: parquet(tmp_path / f"{name}.parquet", rows) for name, rows in locals().items() if isinstance(rows, list)
    }

    def task(name, category, text, answer, **more):
        return ExampleTask(category, tables[name], tables[name], text, answer, **more)

    return {
        "arc": task(
            "arc", "closed", "{question}", "answerKey", option_columns=["choices.text"], labels="choices.label"
        ),
        "wino": task("wino", "coref", "{sentence}", "answer", option_columns=["option1", "option2"], first_number=1),
        "boolq": task("boolq", "read", "{passage} {question}?", "answer", options=["no", "yes"]),
        "squad": task("squad", "read", "{context} {question}", "answers.text"),
    }


def test_icl_tasks_are_examples_and_queries_in_categories(tmp_path, icl_tasks):
    dataset, keys, queries = read(tmp_path, ExampleTasks(icl_tasks), "icl", task_form=FewShotExamples())
    assert keys["boolq-0"] == "P. is it?\nOPTIONS:\n- no\n- yes\nyes"
    assert {name: (q.options, q.answers) for name, q in queries.items()} == {
        "arc-t0": (("red", "blue"), ("blue",)),
        "wino-t0": (("sun", "moon"), ("sun",)),
        "boolq-t0": (("no", "yes"), ("yes",)),
        "squad-t0": ((), ("x", "y")),
    }
    assert queries["squad-t0"].group("category") == "read"
    assert Queries(dataset.file("train"))[3].text == "C. What?"  # every example is a training query


def test_an_icl_answer_that_is_no_option_is_named(tmp_path, icl_tasks):
    task = icl_tasks["wino"]
    wrong = ExampleTask(
        "coref", task.train, task.test, task.input, "answer", option_columns=["option1"], first_number=0
    )
    with pytest.raises(
        DataError, match=re.escape("column 'answer': expected one of ['sun'] or its number or label, got '1'")
    ):
        read(tmp_path, ExampleTasks({"wino": wrong}), "icl", task_form=FewShotExamples())


def test_wrong_columns_are_named_with_expected_and_got(tmp_path, wikipedia):
    table = parquet(tmp_path / "nq.parquet", [{"query": "who", "answer": ["a"]}])
    message = "expected the columns ['question', 'golden_answers', 'id'], got ['query', 'answer']: no 'question'"
    with pytest.raises(DataError, match=re.escape(message)):
        read(tmp_path, Questions(table), corpus=wikipedia)
    assert not list((tmp_path / "converted").rglob("test.jsonl"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (Table("json", files="/nowhere.jsonl"), "/nowhere.jsonl (train): cannot be loaded: "),
        (Table("csv", options={"colour": 1}, files=__file__), "cannot be loaded: CsvConfig"),
    ],
)
def test_what_cannot_be_loaded_is_one_message(table, message):
    with pytest.raises(DataError, match=re.escape(message)):
        next(table.rows(["a"]))


def test_files_that_were_cut_off_are_one_message(tmp_path):
    whole = gzip.compress(b"id\ttext\ttitle\n" + b"1\tAaron\tAaron\n" * 50_000)
    (tmp_path / "half.tsv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jsonl").write_bytes(b"")
    for table in (
        Table("csv", files=str(tmp_path / "half.tsv.gz"), options={"delimiter": "\t"}),
        Table("json", files=str(tmp_path / "empty.jsonl")),
    ):
        with pytest.raises(DataError, match=r"cannot be loaded: |expected rows, got none"):
            list(table.rows([]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "1", "question": " ", "golden_answers": ["a"]}, "field 'question' is blank"),
        ({"id": "", "question": "q", "golden_answers": ["a"]}, "column 'id': expected a text, got a blank one"),
    ],
)
def test_blank_questions_and_ids_are_found_before_conversion(tmp_path, wikipedia, row, message):
    with pytest.raises(DataError, match=re.escape(message)):
        read(tmp_path, Questions(lines(tmp_path / "q.jsonl", [row])), corpus=wikipedia)
    assert not list((tmp_path / "converted").rglob("test.jsonl"))


def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"Install it with: pip install 'embedder-llm\[benchmark\]'"):
        next(Table("json", files="x").rows(["a"]))


def test_a_library_that_would_run_code_of_data_sets_is_refused(monkeypatch):
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    message = r"datasets: expected version 4 or later.*'embedder-llm\[benchmark\]'.*got '3\.6\.0'"
    with pytest.raises(ConfigError, match=message):
        next(Table("json", files="x").rows(["a"]))


def test_what_is_converted_once_is_taken_again_until_its_files_change(tmp_path, wikipedia):
    rows = [{"id": "0", "question": "who", "golden_answers": ["a"]}]
    table = parquet(tmp_path / "nq.parquet", rows)
    first, *_ = read(tmp_path, Questions(table), corpus=wikipedia)
    stamp = first.file("test").stat().st_mtime_ns
    again, *_ = read(tmp_path, Questions(table), corpus=wikipedia)
    assert (again, again.file("test").stat().st_mtime_ns) == (first, stamp)
    parquet(tmp_path / "nq.parquet", [{"id": "0", "question": "other", "golden_answers": ["a"]}])
    changed, _, queries = read(tmp_path, Questions(table), corpus=wikipedia)
    assert changed.file("test") != first.file("test")
    assert changed.file("corpus") == first.file("corpus")  # the passages are shared
    assert queries["0"].text == "other"


def test_what_is_loaded_is_said_before_its_first_row_and_not_again(tmp_path, wikipedia, caplog):
    caplog.set_level(logging.INFO, "embedder")
    wrong = replace(wikipedia, text="body")  # fails at the first row
    table = parquet(tmp_path / "nq.parquet", [{"id": "0", "question": "who", "golden_answers": ["a"]}])
    with pytest.raises(DataError, match="expected the columns"):
        read(tmp_path, Questions(table), corpus=wrong)
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("loading")]
    assert [line.split(" into ")[0] for line in said] == [
        f"loading {table.files} (test)",
        f"loading {wikipedia.table.files} (train)",
    ]
    assert f" into {tmp_path}/converted/public/" in said[1]
    assert "; settings below public.set.corpus narrow it" in said[1]
    assert "source=corpus source.path=DIR reads a folder instead" in said[1]
    read(tmp_path, Questions(table), corpus=wikipedia)
    caplog.clear()
    read(tmp_path, Questions(table), corpus=wikipedia)
    assert "loading" not in caplog.text


def test_the_first_rows_alone_are_read_and_a_task_without_data_is_named(tmp_path, wikipedia):
    table = parquet(
        tmp_path / "nq.parquet", [{"id": str(n), "question": f"q{n}", "golden_answers": ["a"]} for n in range(5)]
    )
    few = Table("parquet", "test", files=table.files, take=2)
    _, _, queries = read(tmp_path, Questions(few), corpus=wikipedia)
    assert [query.text for query in queries.values()] == ["q0", "q1"]
    with pytest.raises(ConfigError, match="benchmark: expected one with public data sets of the task 'chat'"):
        PublicSource({}, str(tmp_path)).datasets("chat")


def test_questions_with_selected_paragraphs_and_no_titles(tmp_path):
    high, old = "It is 9 metres.", "It is old."
    answered = {"query_id": 7, "query": "how high", "answers": ["9 metres", "nine"]}
    unanswered = {"query_id": 8, "query": "how old", "answers": ["No Answer Present."]}
    rows = [
        answered | {"passages": {"passage_text": [high, old], "is_selected": [1, 0]}},
        unanswered | {"passages": {"passage_text": [old], "is_selected": [0]}},
    ]
    table = parquet(tmp_path / "msmarco.parquet", rows)
    settings = {"id": "query_id", "question": "query", "answers": ["answers"], "no_answer": "No Answer Present."}
    questions = Questions(table, **settings)
    form = QuestionsWithParagraphs(questions, None, "passages.passage_text", is_gold="passages.is_selected")
    files = {name: list(found) for name, found in form.convert()}
    assert [key["text"] for key in files["corpus"]] == [high, old]
    assert [query["answers"] for query in files["test"]] == [["9 metres", "nine"], []]
    assert [query["pos"] for query in files["test"]] == [[files["corpus"][0]["id"]], []]
    with pytest.raises(ConfigError, match=r"form.titles: expected a column, since gold_titles names some"):
        replace(form, is_gold=None, gold_titles="gold")
