"""Data sets of the catalogue `ir_datasets`, by the real library, from files that lie where it keeps its downloads."""

import builtins
import gzip
import json
import re
import zipfile
from importlib.util import find_spec

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from embedder.errors import ConfigError, DataError, MissingExtraError
from embedder.public import IrTable, Passages, ir_dataset
from tests.public.files import queries, read
from tests.public.test_flashrag import ROOT, built

pytestmark = pytest.mark.skipif(find_spec("ir_datasets") is None, reason="needs the extra ir")


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory):
    """The library, which reads where its downloads lie when it is imported; nothing else here imports it."""
    home = tmp_path_factory.mktemp("ir_datasets")
    beir(home / "beir" / "nfcorpus", ["MED-1", "MED-2"], {"train": "PLAIN-1 MED-1 2", "test": "PLAIN-2 MED-2 1"})
    beir(home / "beir" / "arguana", ["PLAIN-1", "MED-2"], {"test": "PLAIN-1 MED-2 1"})
    (home / "dpr-w100").mkdir()
    for split in ("train", "dev"):
        passages = {"1": "Aaron", "2": "Null"}
        contexts = {name: [] for name in ("positive_ctxs", "hard_negative_ctxs", "negative_ctxs")}
        contexts["positive_ctxs"] = [{"title": passages["1"], "text": "", "score": 1000, "passage_id": "1"}]
        contexts["hard_negative_ctxs"] = [{"title": passages["2"], "text": "", "score": 9, "passage_id": "2"}]
        record = {"question": f"who is in {split}", "answers": ["Aaron", "a prophet"]} | contexts
        (home / "dpr-w100" / f"nq-{split}.json.gz").write_bytes(gzip.compress(json.dumps([record]).encode()))
    (home / "docs.tsv").write_text("d1\tA text.\nd2\tAnother.\n")
    (home / "queries.tsv").write_text("q1\twhich text\n")
    (home / "qrels").write_text("q1 0 d2 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(home))
        import ir_datasets

        paths = {"docs_tsv": home / "docs.tsv", "queries_tsv": home / "queries.tsv", "qrels_trec": home / "qrels"}
        ir_datasets.registry.register("mine", ir_datasets.create_dataset(**paths))
        ir_datasets.registry.register("broken", ir_datasets.create_dataset(docs_tsv=home / "nowhere.tsv"))
        yield ir_datasets


def beir(folder, keys, qrels):
    """The archive of a data set of BEIR."""
    folder.mkdir(parents=True)
    rows = [{"_id": key, "title": f"T{key}", "text": f"text of {key}", "metadata": {"url": ""}} for key in keys]
    texts = [{"_id": f"PLAIN-{n}", "text": f"query {n}", "metadata": {"url": ""}} for n in (1, 2)]
    with zipfile.ZipFile(folder / "source.zip", "w") as archive:
        for name, content in (("corpus", rows), ("queries", texts)):
            archive.writestr(f"{folder.name}/{name}.jsonl", "".join(json.dumps(row) + "\n" for row in content))
        for split, judged in qrels.items():
            text = "query-id\tcorpus-id\tscore\n" + "\t".join(judged.split()) + "\n"
            archive.writestr(f"{folder.name}/qrels/{split}.tsv", text)


def test_a_data_set_of_beir_has_documents_and_two_splits(tmp_path, catalogue):
    source = built(tmp_path, "benchmark=beir", "benchmark.datasets=[nfcorpus]")[1]
    dataset, keys, found = read(tmp_path, source.public["nfcorpus"])
    assert keys == {name: f"T{name} text of {name}" for name in ("MED-1", "MED-2")}
    assert {q.id: (q.text, q.positives) for q in found.values()} == {"PLAIN-2": ("query 2", ("MED-2",))}
    assert [(q.id, q.positives) for q in queries(dataset, "train")] == [("PLAIN-1", ("MED-1",))]


def test_queries_of_beir_are_not_held_against_the_document_of_their_own_id(tmp_path, catalogue):
    source = built(tmp_path, "benchmark=beir", "benchmark.datasets=[arguana]")[1]
    dataset, _, found = read(tmp_path, source.public["arguana"])
    assert {q.id: (q.positives, q.exclude) for q in found.values()} == {"PLAIN-1": (("MED-2",), ("PLAIN-1",))}
    assert dataset.train is None


def test_nq_over_the_passages_of_dpr_shares_their_corpus(tmp_path, catalogue, wikipedia):
    overrides = ["benchmark=nq", "public@public.nq=nq_dpr", f"public.nq.corpus.table.files={wikipedia.table.files}"]
    dataset, keys, found = read(tmp_path, built(tmp_path, *overrides)[1].public["nq"])
    assert keys["1"] == 'Aaron Aaron "the" prophet.'
    expected = {"0": ("who is in dev", ("1",), ("Aaron", "a prophet"))}
    assert {q.id: (q.text, q.positives, q.answers) for q in found.values()} == expected
    assert [q.text for q in queries(dataset, "train")] == ["who is in train"]


def test_any_other_of_the_catalogue_is_read_by_its_id(tmp_path, catalogue):
    _, keys, found = read(tmp_path, ir_dataset("qa", "mine"))
    assert keys == {"d1": "A text.", "d2": "Another."}
    assert found["q1"].positives == ("d2",)
    corpus = Passages(IrTable("mine", "docs", take=1), id="doc_id")
    assert [row["text"] for row in dict(corpus.convert())["corpus"]] == ["A text."]


def test_every_id_of_the_config_is_in_the_catalogue_with_its_parts(tmp_path, catalogue):
    names = ["nq_dpr", "triviaqa_dpr", "mmlu"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = [f"+public@public.{name}={name}" for name in names]
        config = compose("evaluate", overrides=["benchmark=beir", f"paths.root={tmp_path}", *overrides])
    public = instantiate(config.public, _convert_="all")
    judgments = [
        split for name in public if name != "mmlu" for split in (public[name].form.test, public[name].form.train)
    ]
    tables = [table for split in judgments if split for table in (split.queries, split.table)]
    tables += [public[name].form.corpus for name in public if name not in names] + [public["mmlu"].corpus.table]
    for table in tables:
        assert catalogue.load(table.id).has(table.part), table
    assert (
        len(tables) == (13 + 2 + 5 + 2) * 2 + 13 + 1
    )  # test splits, of BEIR and of DPR, and training splits; documents


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (IrTable("beir/scifct", "docs"), ConfigError, "table.id: expected the id of a data set of ir_datasets that"),
        (
            IrTable("beir", "qrels"),
            ConfigError,
            "table.id: expected the id of a data set of ir_datasets that has qrels",
        ),
        (IrTable("broken", "docs"), DataError, "broken (docs): cannot be loaded: "),
        (IrTable("mine", "queries"), DataError, "mine (queries): expected the columns ['answers'], got"),
    ],
)
def test_what_cannot_be_read_is_one_message(catalogue, table, error, message):
    with pytest.raises(error, match=re.escape(message)):
        list(table.rows(["answers"]))


def test_a_missing_library_is_named_with_its_command(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name == "ir_datasets":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"Install it with: pip install 'embedder-llm\[ir\]'"):
        next(IrTable("mine", "docs").rows([]))
