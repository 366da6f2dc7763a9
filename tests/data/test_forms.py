import json
import re

import pytest

from embedder.data.corpus import Corpus
from embedder.data.eligible import eligible_keys
from embedder.data.forms import Documents, FewShotExamples, Histories
from embedder.data.queries import Queries
from embedder.data.sources import CorpusSource
from embedder.errors import ConfigError, DataError
from embedder.origins import origin


def write(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for role, rows in files.items():
        (directory / f"{role}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


@pytest.fixture
def load(tmp_path):
    def load_form(form, **files):
        write(tmp_path / "mine", **files)
        (dataset,) = CorpusSource(str(tmp_path / "mine"), str(tmp_path / "converted")).datasets("any", form)
        corpus = Corpus(dataset.file("corpus"))
        return (
            dataset,
            corpus,
            {
                split: list(Queries(path, corpus))
                for split, path in (("train", dataset.train), ("test", dataset.test))
                if path is not None
            },
        )

    return load_form


HISTORIES = [{"history_id": "a", "history": ["one", "two"]}, {"history_id": "b", "history": ["three", "four", "five"]}]


def test_units_of_a_history_are_the_keys_of_its_queries(load):
    question = {"query_id": "1", "query": "q?", "answers": ["x"], "history_id": "b", "evidence": [2, 0], "type": "t"}
    _, corpus, queries = load(Histories(), histories=HISTORIES, train=[question])
    assert [(key.id, key.text) for key in corpus][2:4] == [("b/0", "three"), ("b/1", "four")]
    (query,) = queries["train"]
    assert query.positives == ("b/2", "b/0")
    assert [corpus[p].text for p in range(5) if p in eligible_keys(query, corpus)] == ["three", "four", "five"]


@pytest.mark.parametrize(
    ("histories", "query", "message"),
    [
        (HISTORIES, {"history_id": "c"}, r"train.jsonl:1: field 'history_id' names 'c', which is not in the histories"),
        (HISTORIES, {"history_id": "a", "evidence": [2]}, r"train.jsonl:1: field 'evidence': .* 0 to 1 .*, got 2"),
        (HISTORIES, {}, r"train.jsonl:1: missing field 'history_id'"),
        ([*HISTORIES, HISTORIES[0]], {"history_id": "a"}, r"histories.jsonl:3: id 'a' is already that of line 1"),
        ([{"history_id": "a", "history": []}], {"history_id": "a"}, r"histories.jsonl:1: field 'history'"),
        ([{"history_id": "a", "history": ["x", " "]}], {"history_id": "a"}, r"histories.jsonl:1: field 'history'"),
    ],
)
def test_wrong_histories_are_named_and_leave_nothing_behind(load, tmp_path, histories, query, message):
    with pytest.raises(DataError, match=message):
        load(Histories(), histories=histories, train=[{"query_id": "1", "query": "q?", **query}])
    assert not list((tmp_path / "converted").iterdir())


def words(n, first=0):
    return " ".join(f"w{first + i}" for i in range(n))


def test_chunks_keep_their_white_space_and_a_rest_is_dropped():
    assert Documents(chunk_words=2).chunks("a  b\n\nc d e") == ["a  b", "\n\nc d"]
    # Two letters of Chinese count as a word: 东海 市的 | 灯塔 1700 | 年 is the rest.
    assert Documents(chunk_words=2).chunks("东海市的灯塔1700年") == ["东海市的", "灯塔1700"]


def test_documents_by_hand(load):
    # Chunks of two words, 0 to 6 and a rest. Chunk i has the keys 0 to i - 2; with two keys or more it is a query from
    # i = 3 on, every second one, as long as chunk i + 1 exists: 3, 5. For the test the last 3 chunks are asked for.
    form = Documents(chunk_words=2, min_keys=2, every=2, test_chunks=3)
    train, test = {"doc_id": "d", "text": words(15)}, {"doc_id": "t", "text": words(14, 100)}
    _, corpus, queries = load(form, train=[train], test=[test])
    assert [key.id for key in corpus] == [f"{d}/{j}" for d in "dt" for j in range(6)]
    assert corpus[1].text == "w2 w3 w4 w5"
    assert [query.id for query in queries["train"]] == ["d/3", "d/5"]
    assert [query.id for query in queries["test"]] == ["t/3", "t/4", "t/5"]
    query = queries["train"][1]
    assert (query.text, query.answers) == ("w10 w11", (" w12 w13",))
    seen = [corpus[p].text for p in range(len(corpus)) if p in eligible_keys(query, corpus)]
    assert seen == ["w0 w1 w2 w3", "w2 w3 w4 w5", "w4 w5 w6 w7", "w6 w7 w8 w9"]  # the last ends before the query begins


def test_no_key_of_a_document_reaches_into_the_query_or_its_answer(load):
    text = " ".join(f"u{i}" for i in range(400))  # every word once, so that texts tell where they come from
    _, corpus, queries = load(
        Documents(chunk_words=7, min_keys=5, every=1, test_chunks=9),
        train=[{"doc_id": "d", "text": text}],
        test=[{"doc_id": "e", "text": text}],
    )
    for split in ("train", "test"):
        for query in queries[split]:
            first = int(query.text.split()[0][1:])
            eligible = eligible_keys(query, corpus)
            assert len(eligible) >= 5
            assert all(int(corpus[p].text.split()[-1][1:]) < first for p in range(eligible.start, eligible.stop))
            assert {corpus[p].id[0] for p in range(eligible.start, eligible.stop)} == {query.id[0]}
    assert len(queries["test"]) == 9


def test_short_documents_are_left_out_and_counted(load, caplog):
    form = Documents(chunk_words=2, min_keys=2, every=1, test_chunks=3)
    rows = [{"doc_id": "long", "text": words(10)}, {"doc_id": "short", "text": words(9)}]  # 5 and 4 chunks
    _, corpus, queries = load(form, train=rows)
    assert [query.id for query in queries["train"]] == ["long/3"]
    assert {key.id.split("/")[0] for key in corpus} == {"long"}
    assert "1 of 2 documents have fewer than 10 words" in caplog.text
    with pytest.raises(DataError, match=r"train.jsonl: no document has 10 words"):
        load(form, train=rows[1:])
    with pytest.raises(DataError, match=r"train.jsonl:3: id 'long' is already that of line 1"):
        load(form, train=[*rows, rows[0]])
    with pytest.raises(DataError, match=r"test.jsonl:2: doc_id 'long' is one of train.jsonl too"):
        load(form, train=rows, test=[{"doc_id": "new", "text": words(20)}, rows[0]])


EXAMPLES = [
    {"id": "a", "contents": "2 + 2\n4", "answers": ["four", "4"], "options": ["4", "5"], "task_name": "sums"},
    {"id": "b", "contents": "Is it?\nso\nYes", "answers": ["Yes"]},
]


def test_few_shot_examples_are_queries_that_never_see_themselves(load):
    _, corpus, queries = load(FewShotExamples(), corpus=EXAMPLES, test=[{"query_id": "t", "query": "3 + 3"}])
    assert [key.text for key in corpus] == ["2 + 2\n4", "Is it?\nso\nYes"]
    first, second = queries["train"]
    assert (first.id, first.text, first.answers, first.options) == ("a", "2 + 2", ("four", "4"), ("4", "5"))
    assert (second.text, second.exclude) == ("Is it?\nso", ("b",))
    assert [p for p in range(2) if p in eligible_keys(second, corpus)] == [0]
    assert queries["test"][0].exclude == ()


def test_training_queries_of_their_own_are_taken_as_they_are(load):
    _, _, queries = load(FewShotExamples(), corpus=EXAMPLES, train=[{"query_id": "1", "query": "q", "answers": ["x"]}])
    assert [(query.id, query.exclude) for query in queries["train"]] == [("1", ())]


def test_an_example_without_its_answer_is_named(load):
    with pytest.raises(DataError, match=r"corpus.jsonl:1: field 'contents': expected an input, a line break"):
        load(FewShotExamples(), corpus=[{"id": "a", "contents": "2 + 2 = 4", "answers": ["4"]}])


def test_a_conversion_is_made_once_and_anew_for_other_settings_or_contents(load, tmp_path):
    rows = [{"doc_id": "d", "text": words(20)}]
    form = Documents(chunk_words=2, min_keys=1, every=1)
    first = load(form, train=rows)[0].corpus
    made = first.stat().st_mtime_ns
    assert load(form, train=rows)[0].corpus == first
    assert first.stat().st_mtime_ns == made
    assert load(Documents(chunk_words=3, min_keys=1), train=rows)[0].corpus != first
    assert load(form, train=[{"doc_id": "d", "text": words(21)}])[0].corpus != first
    assert len(list((tmp_path / "converted").iterdir())) == 3


def test_a_form_leaves_data_sets_by_id_as_they_are(load, tmp_path):
    dataset, _, _ = load(Histories(), corpus=[{"id": "k", "text": "t"}], train=[{"query_id": "1", "query": "q"}])
    assert dataset.corpus == tmp_path / "mine" / "corpus.jsonl"
    (tmp_path / "mine" / "corpus.jsonl").unlink()
    with pytest.raises(DataError, match=r"mine: no corpus.jsonl; task 'any' reads data sets by id"):
        CorpusSource(str(tmp_path / "mine"), str(tmp_path)).datasets("any")


def test_settings_are_checked():
    with pytest.raises(ConfigError, match=r"task.form.chunk_words: expected 1 or more, got 0"):
        Documents(chunk_words=0)


def test_an_error_in_converted_data_names_the_line_that_the_user_wrote(load, tmp_path):
    question = {"query_id": "1", "query": "q?", "answers": ["x"], "history_id": "b", "evidence": [2, 0]}
    good = [{**question, "query_id": str(n)} for n in range(4)]
    for wrong, message in (
        ({"options": ["\ud800"]}, "field 'options' holds half a surrogate pair"),
        ({"answers": [1e400]}, "field 'answers': expected a list of strings"),
        ({"query_id": "2"}, "query_id '2' came before"),
    ):
        with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'mine' / 'train.jsonl'}:5: {message}")):
            load(Histories(), histories=HISTORIES, train=[*good, {**question, "query_id": "4", **wrong}])


def test_an_error_in_what_was_made_of_several_files_names_the_right_one(load, tmp_path):
    documents = {split: [{"doc_id": f"{split}{n}", "text": "w " * 60} for n in range(3)] for split in ("train", "test")}
    dataset, corpus, _ = load(Documents(chunk_words=3, min_keys=2, every=1, test_chunks=2), **documents)
    lines = {corpus[position].id: position + 1 for position in range(len(corpus))}
    assert origin(dataset.file("corpus"), lines["test1/4"]) == (tmp_path / "mine" / "test.jsonl", 2)
    assert origin(dataset.file("corpus"), lines["train2/0"]) == (tmp_path / "mine" / "train.jsonl", 3)
    assert origin(dataset.file("test"), 1) == (tmp_path / "mine" / "test.jsonl", 1)
