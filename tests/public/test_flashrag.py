"""The seven question sets and their corpus as FlashRAG publishes them, from files and from a folder laid out so."""

import gzip
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from embedder.errors import DataError
from embedder.public import Passages, Questions, QuestionsWithParagraphs, Table
from tests.public.files import lines, queries, read, write_lines

pytest.importorskip("datasets")
ROOT = Path(__file__).parents[2]
NQ = {"id": "test_0", "question": "who got the first nobel prize in physics", "golden_answers": ["Röntgen", "W. R."]}
PASSAGES = [
    {"id": "0", "contents": '"Aaron"\nAaron ( or ; ""Ahärôn"") is a prophet.'},
    {"id": "1", "contents": '""Heroes" (album)"\nA record.\nOf 1977.'},
    {"id": "2", "contents": "no title"},
]


@pytest.fixture
def collection(tmp_path):
    """A folder as the hub lays it out: the head of its README names configs, splits and files."""
    splits = {
        "nq": ["train", "test"],
        "triviaqa": ["train", "test"],
        "popqa": ["test"],
        "hotpotqa": ["train", "dev"],
        "2wikimultihopqa": ["train", "dev"],
        "musique": ["train", "dev"],
        "bamboogle": ["test"],
    }
    metadata = {
        "popqa": {"subj": "X", "prop": "occupation", "obj": "poet", "s_pop": 1},
        "hotpotqa": multi_hop("sentences"),
        "2wikimultihopqa": multi_hop("content"),
        "musique": {"answerable": True, "question_decomposition": [{"support_paragraph": {"title": "A"}}]},
    }
    head = ["---", "configs:"]
    for name, names in splits.items():
        head += [f"- config_name: {name}", "  data_files:"]
        for split in names:
            row = {**NQ, "id": f"{split}_0"} | ({"metadata": metadata[name]} if name in metadata else {})
            write_lines(tmp_path / "flashrag" / name / f"{split}.jsonl", [row, row | {"id": f"{split}_1"}])
            head += [f"  - split: {split}", f"    path: {name}/{split}.jsonl"]
    (tmp_path / "flashrag" / "README.md").write_text("\n".join([*head, "---", ""]))
    return tmp_path / "flashrag"


def multi_hop(texts):
    return {
        "type": "bridge",
        "context": {"title": ["A", "B", "C"], texts: [["one. ", "two."], ["three."], ["four."]]},
        "supporting_facts": {"title": ["A", "A", "C"], "sent_id": [0, 1, 0]},
    }


def built(tmp_path, *overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("evaluate", overrides=[f"paths.root={tmp_path}", f"paths.output_dir={tmp_path}", *overrides])
    return config, instantiate(config.source, _convert_="all")


def test_a_question_set_from_a_file(tmp_path, wikipedia):
    dataset, _, found = read(tmp_path, Questions(lines(tmp_path / "test.jsonl", [NQ])), corpus=wikipedia)
    assert (found["test_0"].text, found["test_0"].answers) == (NQ["question"], ("Röntgen", "W. R."))
    assert dataset.train is None


def test_the_seven_sets_from_a_copy_of_the_collection(tmp_path, collection):
    write_lines(tmp_path / "wiki-18.jsonl", PASSAGES)
    names = [path.name for path in collection.iterdir() if path.is_dir()]
    keys = [name.removeprefix("2") for name in names]
    overrides = [f"public.{key}.form.test.name={collection}" for key in keys]
    overrides += [f"public.{key}.corpus.table.files={tmp_path}/wiki-18.jsonl" for key in keys]
    config, source = built(tmp_path, "benchmark=seven_qa", *overrides)
    found = {dataset.name: dataset for dataset in source.datasets("qa")}
    assert sorted(found) == sorted(names) == sorted(config.benchmark.datasets)
    assert {name for name in names if found[name].train is None} == {"bamboogle"}
    assert len({dataset.corpus for dataset in found.values()}) == 1  # converted once
    assert [query.id for query in queries(found["musique"], "test")] == ["dev_0", "dev_1"]
    assert [query.id for query in queries(found["nq"], "train")] == ["train_0", "train_1"]
    types = {name: next(queries(found[name], "test")).group("type") for name in ("popqa", "hotpotqa", "nq")}
    assert types == {"popqa": "occupation", "hotpotqa": "bridge", "nq": ""}
    assert all(query.answers == ("Röntgen", "W. R.") for name in names for query in queries(found[name], "test"))


def test_a_changed_copy_of_the_collection_is_converted_again(tmp_path, collection, wikipedia):
    form = Questions(Table(str(collection), "test", "nq"))
    assert read(tmp_path, form, corpus=wikipedia)[2]["test_0"].text == NQ["question"]
    write_lines(collection / "nq" / "test.jsonl", [NQ | {"question": "who else"}])
    assert read(tmp_path, form, corpus=wikipedia)[2]["test_0"].text == "who else"


def check_two_hops(keys, found):
    assert sorted(keys.values()) == ["A one. two.", "B three.", "C four."]  # of two questions, each paragraph once
    assert [[keys[key_id] for key_id in query.positives] for query in found.values()] == [
        ["A one. two.", "C four."]
    ] * 2


@pytest.mark.parametrize("name", ["hotpotqa", "2wikimultihopqa"])
def test_paragraphs_and_gold_titles_are_lists_in_metadata(tmp_path, collection, name):
    key = name.removeprefix("2")
    overrides = [f"benchmark={name}", f"public@public.{key}={name}_paragraphs"]
    overrides += [f"public.{key}.form.questions.test.files={collection}/{name}/dev.jsonl"]
    _, source = built(tmp_path, *overrides, f"public.{key}.form.questions.test.name=json")
    _, *found = read(tmp_path, source.public[key])
    check_two_hops(*found)


def test_musique_marks_its_gold_paragraphs(tmp_path):
    texts = [("A", "one. two.", True), ("B", "three.", False), ("C", "four.", True)]
    paragraphs = [{"idx": 0, "title": t, "paragraph_text": text, "is_supporting": gold} for t, text, gold in texts]
    row = {"id": "2hop", "question": "q", "answer": "x", "answer_aliases": ["y"], "paragraphs": paragraphs}
    file = write_lines(tmp_path / "musique_ans_v1.0_dev.jsonl", [row, row | {"id": "second"}])
    overrides = ["benchmark=musique", "public@public.musique=musique_paragraphs"]
    overrides += [f"public.musique.form.questions.test.{name}" for name in ("name=json", f"files={file}")]
    _, *found = read(tmp_path, built(tmp_path, *overrides)[1].public["musique"])
    check_two_hops(*found)
    assert found[1]["2hop"].answers == ("x", "y")


def with_paragraphs(path, *contexts, texts="metadata.context.sentences", **names):
    rows = [
        {**NQ, "id": str(n), "metadata": {"context": context, "supporting_facts": {"title": ["A"]}}}
        for n, context in enumerate(contexts)
    ]
    names = names or {"gold_titles": "metadata.supporting_facts.title"}
    return QuestionsWithParagraphs(Questions(lines(path, rows)), "metadata.context.title", texts, **names)


def test_a_question_without_paragraphs_has_no_gold(tmp_path):
    some, none = {"title": ["A", "B"], "sentences": [["a.", None, " b."], None]}, {"title": [], "sentences": []}
    _, keys, found = read(tmp_path, with_paragraphs(tmp_path / "q.jsonl", some, none))
    assert list(keys.values()) == ["A a. b."]  # a blank paragraph is none
    assert [len(query.positives) for query in found.values()] == [1, 0]


def test_lists_of_unequal_length_are_named_with_their_row(tmp_path):
    form = with_paragraphs(tmp_path / "q.jsonl", {"title": ["A", "B"], "sentences": [["a."]]})
    with pytest.raises(DataError, match=r"q\.jsonl.*:1: expected lists of one length, got .*title': 2.*sentences': 1"):
        read(tmp_path, form)


CORPORA = {
    "wiki-18.jsonl": lambda path, text: path.write_text(text),
    "wiki-18.jsonl.gz": lambda path, text: path.write_bytes(gzip.compress(text.encode())),
}


@pytest.mark.parametrize("name", CORPORA)
def test_passages_begin_with_their_title_in_quotes(tmp_path, name):
    CORPORA[name](tmp_path / name, "".join(json.dumps(row) + "\n" for row in PASSAGES))
    check_passages(tmp_path, name)


def write_archive(path):
    member = write_lines(path.parent / "data00" / "wiki_dpr_100w" / "wiki_dump.jsonl", PASSAGES)
    with tarfile.open(path, "w:gz") as archive:
        archive.add(member.parents[1], "data00")


def test_the_published_corpus_is_a_tar_archive_whatever_its_name(tmp_path):
    write_archive(tmp_path / "wiki-18.jsonl.gz")
    check_passages(tmp_path, "wiki-18.jsonl.gz")
    (tmp_path / "wiki-18.jsonl").write_bytes(gzip.decompress((tmp_path / "wiki-18.jsonl.gz").read_bytes()))
    check_passages(tmp_path, "wiki-18.jsonl")  # what `gzip -d` leaves


def test_the_corpus_is_loaded_from_the_hub_where_it_is_not_here(tmp_path, monkeypatch):
    repository = tmp_path / "hub" / "datasets--PeterJinGo--wiki-18-corpus"  # as the library keeps what it loaded
    snapshot = repository / "snapshots" / "c0"
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0")
    write_archive(repository / "blobs" / "7abd")
    (snapshot / "wiki-18.jsonl.gz").symlink_to("../../blobs/7abd")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    corpus = built(tmp_path, "benchmark=nq")[1].public["nq"].corpus
    assert len(list(dict(corpus.convert())["corpus"])) == 3
    table = replace(corpus.table, files="nowhere.jsonl")
    with pytest.raises(DataError, match=r"nowhere\.jsonl \(train\): cannot be loaded: "):
        next(table.rows(["id"]))


def check_passages(tmp_path, name):
    corpus = Passages(Table("json", files=str(tmp_path / name)), text="contents", title=None)
    _, keys, _ = read(tmp_path, Questions(lines(tmp_path / "q.jsonl", [NQ])), corpus=corpus)
    assert keys == {
        "0": 'Aaron Aaron ( or ; ""Ahärôn"") is a prophet.',
        "1": '"Heroes" (album) A record.\nOf 1977.',
        "2": "no title",
    }
