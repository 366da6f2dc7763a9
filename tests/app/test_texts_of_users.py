"""Data sets as users have them, through the entry points: other scripts, queries without words, copies, overlap."""

import json

import pytest

from tests.entry_points import run_here

CITIES = ["东海", "南川", "西岭", "北泽", "白河", "青山", "黄石", "红岩", "长桥", "广原", "平湖", "临江"]
EVALUATE = ("task_mix=tool", "run.rag_enabled=false", "rows=[bm25,oracle]")


@pytest.fixture
def write(tmp_path):
    def write_dataset(corpus, train, test):
        for name, rows in (("corpus", corpus), ("train", train), ("test", test)):
            path = tmp_path / "data1" / f"{name}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write_dataset


@pytest.fixture
def run(tmp_path):
    def run_entry(entry, *overrides):
        some = ("source=corpus", f"source.path={tmp_path}/data1", f"paths.root={tmp_path}")
        done = run_here(entry, *some, f"hydra.run.dir={tmp_path}/out/{entry}", *overrides)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run_entry


def questions(texts):
    return [{"query_id": f"q{i}", "query": text, "pos": [f"d{i}"], "answers": ["x"]} for i, text in enumerate(texts)]


def keys(texts):
    return [{"id": f"d{i}", "text": text} for i, text in enumerate(texts)]


def prepared(tmp_path):
    files = (tmp_path / "data/prepared/tool").glob("*/*.jsonl")
    return [json.loads(line) for file in files if file.stem in ("train", "validation") for line in file.open()]


def scores(tmp_path):
    return json.loads((tmp_path / "out/evaluate.py/scores.json").read_text())


ALL_SAME = {"questions": 6, "same": 6, "near": 0, "nearest": []}


def test_candidates_and_bm25_of_texts_without_spaces(write, run, tmp_path):
    asked = questions(f"{city}市的灯塔建于哪一年?" for city in CITIES)
    asked = [row | {"answers": [f"{1700 + i}年"]} for i, row in enumerate(asked)]
    write(keys(f"{city}市的灯塔建于{1700 + i}年。" for i, city in enumerate(CITIES)), asked[:8], asked[8:])
    run("prepare.py", "task_mix=tool")
    sources = {source for record in prepared(tmp_path) for source, *_ in record["neg_source"]}
    assert sources == {"bm25"}
    out = run("evaluate.py", *EVALUATE)
    assert "pairs of letters in 12 texts with Korean or scripts without spaces" in out
    bm25, oracle = scores(tmp_path)["rows"]
    assert bm25["mean"]["ndcg@10"] > 0.9
    assert oracle["mean"]["ndcg@1"] == 1.0


def test_queries_in_which_bm25_finds_no_word_are_counted(write, run, tmp_path):
    some = ["To be or not to be?", "C", "7", "???"]
    texts = [*some, "Which language has classes?", "Where is the river?"]
    corpus = [*keys([*some, "A language with classes.", "The river."]), {"id": "x", "text": "Fields near a river."}]
    write(corpus, questions(texts), questions(texts))
    assert "BM25 finds no word of any key in 4 of 6 queries" in run("prepare.py", "task_mix=tool")
    (manifest,) = (tmp_path / "data/prepared/tool").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["labelling"]["random_negatives"] == 4
    assert json.loads(manifest.read_text())["test_questions_trained_on"] == ALL_SAME
    out = run("evaluate.py", *EVALUATE)
    assert "BM25 finds no word of any key in 4 of 6 queries" in out
    assert "tool/data1: 6 of 6 test questions are training questions too" in out
    assert scores(tmp_path)["protocol"]["test_questions_trained_on"] == {"tool/data1": ALL_SAME}


def test_copies_and_queries_without_a_relevant_key_are_counted_and_titles_are_indexed(write, run, tmp_path):
    texts = ["apple pie recipe", "pear tart recipe", "plum cake recipe"]
    corpus = [*keys(texts), {"id": "copy", "text": "apple  pie recipe"}]
    corpus[1] |= {"title": "pear"}  # the text begins with it, and it is indexed all the same
    asked = questions(["apple?", "pear?", "plum?"])
    asked.append({"query_id": "unlabelled", "query": "cherry?", "pos": []})
    write(corpus, asked, asked)
    run("evaluate.py", *EVALUATE)
    protocol = scores(tmp_path)["rows"][0]["protocol"]
    assert protocol["copies"] == {"texts": 1, "queries": 1}
    assert (protocol["queries"], protocol["left_out"]) == (4, {"no relevant key": 1})
    assert len(scores(tmp_path)["rows"][0]["per_query"]["ndcg@10"]) == 3
    table = (tmp_path / "out/evaluate.py/table.md").read_text()
    assert "over 3 queries" in table
    assert "Left out of 4 queries: 1 no relevant key." in table
    lines = [json.loads(line) for line in (tmp_path / "out/evaluate.py/queries.jsonl").open()]
    assert any(key["text"] == "pear pear tart recipe" for line in lines for key in line["keys"])
    run("prepare.py", "task_mix=tool")
    for record in prepared(tmp_path):
        assert not {text.replace("  ", " ") for text in record["neg"]} & set(record["pos"])


def test_answers_that_are_longer_than_what_the_llm_writes_are_counted(write, run, llama_directory):
    asked = questions(["apple?", "pear?", "plum?"])
    asked[0]["answers"] = ["It is baked for an hour.", "Bake it for about an hour."]  # six words each
    asked[1]["answers"] = ["It is baked for two hours.", "two hours"]  # one of them can be written
    write(keys(["apple pie", "pear tart", "plum cake"]), questions(["cherry?"]), asked)
    out = run(
        "evaluate.py", f"llm.name={llama_directory}", "rows=[bm25]", "consumer=single_shot", "consumer.max_new_tokens=5"
    )
    assert "qa/data1: for 1 of 3 questions every answer has more words than the 5 tokens that the LLM writes" in out
    assert "or raise consumer.max_new_tokens" in out  # which takes the place of the task's
