"""`embedder search` and `embedder export`: what they print, and one clear error before the model is loaded."""

import json
import shutil
from pathlib import Path

import pytest

import embedder
from embedder.commands.export import export as export_command
from embedder.commands.search import search as search_command
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.types import TaskSides

ROWS = [{"text": "the lighthouse at Oru", "file": "a.md", "page": 2}, {"title": "Oru", "text": "a \x1b[2Jriver"}]


@pytest.fixture(scope="module")
def exported(bert_directory, tmp_path_factory):
    encoder = TextEncoder(EncoderConfig(name=str(bert_directory), pooling="mean"))
    return export(encoder, {"qa": TaskSides("ask: ", "passage: ")}, tmp_path_factory.mktemp("one") / "export", {})


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    return str(path)


def refused(capsys, command, *arguments):
    """What is said of arguments."""
    capsys.readouterr()  # of what came before: libraries of other tests add handlers to the root logger
    with pytest.raises(SystemExit) as end:
        command([str(argument) for argument in arguments])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.strip()


def test_keys_are_encoded_once_and_searched_again(exported, keys, tmp_path, capsys):
    index = str(tmp_path / "index")
    search_command([str(exported), "lighthouse", "Oru", "--keys", keys, "--save", index, "--json"])
    first = capsys.readouterr().out
    search_command([index, "lighthouse", "Oru", "--json"])
    assert capsys.readouterr().out == first
    found = [json.loads(line) for line in first.splitlines()]
    assert [one["question"] for one in found] == ["lighthouse", "Oru"]
    hits = embedder.load(exported).index(ROWS).search(["lighthouse", "Oru"])
    assert [[hit["key"] for hit in one["hits"]] for one in found] == [[hit.key for hit in row] for row in hits]
    search_command([index, "lighthouse", "-k", "1"])
    question, line = capsys.readouterr().out.splitlines()
    best = hits[0][0]
    assert question == "lighthouse"
    assert line.startswith(f"   1  {best.score:.4f}  ")
    search_command([index, "Oru"])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown  # foreign text moves no cursor
    assert "the lighthouse at Oru  [a.md#page=2]" in shown


def test_wrong_arguments_are_one_line_before_the_model_is_loaded(exported, keys, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("embedder.search.retriever.load_trained", lambda path: pytest.fail("it was loaded"))
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"title": "b"}\n')
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    for arguments, line in (
        ([exported, "Oru"], f"--keys: expected a file of keys, since {exported} has no index, got None"),
        ([exported, "Oru", "--save", "x"], "--save: expected no folder without --keys, since what is searched is"),
        ([exported, "Oru", "--keys", tmp_path / "bad.jsonl"], f"{tmp_path}/bad.jsonl:2: missing field 'text'"),
        ([exported, "Oru", "--keys", tmp_path / "none"], f"{tmp_path}/none: no such file"),
        ([exported, "Oru", "--keys", keys, "-k", "0"], "-k: expected 1 or more, got 0"),
        ([exported, "Oru", "--keys", keys, "--dense-share", "7"], "--dense-share: expected a share from 0 to 1, got 7"),
        ([exported, "Oru", "--keys", keys, "-k", "two"], "embedder search: argument -k: invalid int value: 'two'; emb"),
        ([exported, "Oru", "--keys", keys, "--save", tmp_path / "full"], "the folder to write: expected a new one, or"),
        ([exported, " ", "--keys", keys], "QUESTION: expected a question that is not blank"),
        ([exported, "Oru", "--task", "qa"], "--keys: expected a file of keys"),
        ([exported], "embedder search: the following arguments are required: question; embedder search --help"),
    ):
        assert refused(capsys, search_command, *arguments).startswith(line)


def test_the_task_of_a_saved_index_is_its_own(exported, tmp_path, capsys):
    folder = embedder.load(exported).index(ROWS).save(tmp_path / "index")
    line = "--task: expected no task without --keys, since a saved index has its own, got 'tool'"
    assert refused(capsys, search_command, folder, "Oru", "--task", "tool") == line


def test_what_is_no_checkpoint_is_not_exported(exported, tmp_path, capsys):
    for arguments, line in (
        ([exported, tmp_path / "new"], f"SOURCE: expected a file .ckpt, or what to do with the export {exported}"),
        ([exported], f"SOURCE: expected a file .ckpt, or what to do with the export {exported}"),
        ([tmp_path, "--push-to", "me/mine"], "SOURCE: expected a file .ckpt, an export, or the folder of a run with"),
        ([tmp_path / "one.ckpt"], "SOURCE: expected a file .ckpt, an export or the folder of a run that exists"),
        ([exported, "--push-to", "mine"], "--push-to: expected NAMESPACE/NAME, got 'mine'"),
        ([exported, "--license", "mit", "--public"], "--public: expected beside --push-to NAMESPACE/NAME"),
        ([exported, "--evaluation", tmp_path], f"{tmp_path}/table.md: the table of an evaluation cannot be read"),
    ):
        assert refused(capsys, export_command, *arguments).startswith(line)
    (tmp_path / "one.ckpt").write_text("no checkpoint")
    no_folder = "FOLDER: expected where to write the export of a file .ckpt"
    assert refused(capsys, export_command, tmp_path / "one.ckpt").startswith(no_folder)
    line = f"{tmp_path}/one.ckpt: not a checkpoint: torch cannot read it"
    assert refused(capsys, export_command, tmp_path / "one.ckpt", tmp_path / "new") == line
    assert not (tmp_path / "new").exists()


def test_the_card_of_a_run_is_completed_and_the_export_pushed(exported, tmp_path, capsys, monkeypatch):
    asked = []  # the hub's client, which needs a network, is the one thing that is stood in for here
    client = {
        "create_repo": lambda self, name, **settings: asked.append((name, settings)),
        "upload_folder": lambda self, **settings: asked.append(contents(settings["folder_path"])) or self,
        "commit_url": "https://hub/commit",
    }
    monkeypatch.setattr("huggingface_hub.HfApi", type("Client", (), client))
    folder = tmp_path / "run" / "export"
    shutil.copytree(exported, folder)
    (tmp_path / "table.md").write_text("| retriever | ndcg@10 |\n|---|---|\n| trained | 0.5 |\n")
    facts = ["--license", "apache-2.0", "--language", "en", "de", "--evaluation", str(tmp_path)]
    export_command([str(folder.parent), *facts, "--push-to", "me/mine"])
    assert capsys.readouterr().out == f"model card: {folder}/README.md\npushed: https://hub/commit\n"
    assert asked == [("me/mine", {"private": True, "exist_ok": True}), contents(folder)]
    card = (folder / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "- de" in card
    assert "| trained | 0.5 |" in card
    export_command([str(folder), "--push-to", "me/mine", "--public"])
    assert asked[2] == ("me/mine", {"private": False, "exist_ok": True})


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_example_of_the_docstring_runs(exported, capsys):
    code = embedder.load.__doc__.partition("```python\n")[2].partition("```")[0]
    exec("\n".join(line.strip() for line in code.replace("outputs/train/.../export", str(exported)).splitlines()), {})  # noqa: S102
    rank, score, text = capsys.readouterr().out.split(maxsplit=2)
    assert (rank, text) == ("1", "The lighthouse was built by Oru.\n") or text.startswith("Oru A river")
    assert -1 <= float(score) <= 1
