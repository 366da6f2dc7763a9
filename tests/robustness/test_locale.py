"""Where the locale knows ASCII alone, commands write the same bytes as elsewhere, whatever letters there are."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.entry_points import ROOT
from tests.robustness.chain import Chain
from tests.robustness.forked import Command
from tests.robustness.outcomes import contents, scores, weights, without_times

pytestmark = pytest.mark.slow

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}
"""Python takes UTF-8 where it finds LC_ALL=C, unless PYTHONUTF8=0 forbids it."""
UTF_8 = {"LC_ALL": "C.UTF-8"}
N = 16


def write_data(root: Path) -> None:
    """A data set whose name, ids and texts are not in ASCII, and a file of keys."""
    folder = root / "daten-é-東京"
    folder.mkdir(parents=True)
    keys = [{"id": f"k{i}-ü", "title": "Häfen ☃", "text": f"harbour {i} by gülde {i} 東京 😀"} for i in range(N)]
    queries = [
        {"query_id": f"q{i}é", "query": f"who built härbour {i}?", "answers": [f"gülde {i}"], "pos": [f"k{i}-ü"]}
        for i in range(N)
    ]
    for name, rows in (("corpus", keys), ("train", queries[:12]), ("test", queries[12:])):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def commands(chain: Chain) -> dict[str, Command]:
    """Those of the chain with the data set of this test; quotes, as Hydra reads letters of other scripts so."""
    data, keys = f"source.path='{chain.root}/daten-é-東京'", f"{chain.root}/daten-é-東京/corpus.jsonl"
    export, saved = f"{chain.root}/train/export", f"{chain.root}/saved-é"
    named = {name: getattr(chain, name)() for name in ("prepare", "train", "index", "evaluate")}
    ours = {name: replace(one, words=(*map(quoted, one.words), data)) for name, one in named.items()}
    ours["save"] = Command(("search", export, "härbour 3", "--keys", keys, "--save", saved, "--json"))
    return ours | {"search": Command(("search", saved, "who built härbour 3 東京?"))}


def quoted(word: str) -> str:
    name, equals, value = word.partition("=")
    return word if value.isascii() else f"{name}{equals}'{value}'"


def run(command: Command, **environment: str) -> bytes:
    """What it prints; it has to go well."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    ended = subprocess.run(
        [sys.executable, "-m", "embedder", *command.words],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:].decode(errors="replace")
    assert b"Traceback" not in ended.stdout + ended.stderr
    return ended.stdout


def test_with_ascii_alone_the_same_is_written(tmp_path, bert_directory, llama_directory):
    made = {}
    for name, environment in (("ascii", ASCII), ("utf-8", UTF_8)):
        chain = Chain(tmp_path / name / "ordner-é", bert_directory, llama_directory)
        write_data(chain.root)
        said = {one: run(command, **environment) for one, command in commands(chain).items()}
        root, index = chain.root, chain.root / "index" / "index.json"
        parts = [contents(root / "data" / "prepared"), weights(root / "train"), scores(root / "evaluate")]
        parts += [without_times(json.loads(index.read_text(encoding="utf-8"))["rows"]), contents(root / "saved-é")]
        names = sorted(str(path.relative_to(root)) for path in (root / "data").rglob("*"))
        made[name] = parts, names, said["search"]
    assert made["ascii"] == made["utf-8"]
    assert "gülde 3 東京 😀" in made["ascii"][2].decode()
    shown = run(commands(chain)["search"], PYTHONIOENCODING="ascii", **UTF_8)  # a console that has no such letters
    assert b"harbour 3 by g?lde 3 ?? ?" in shown
