"""The messages of docs/troubleshooting.md are those that a user sees: caused where that is quick, else found in src."""

import ast
import json
import re
from functools import cache

import pytest

from tests.docs.in_docs import ROOT
from tests.entry_points import run_here

MESSAGES = re.findall(r"^- `([^`]+)`", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
OF_OTHERS = ["zsh: no matches found"]
KEYS = [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]
DATA = ["source=corpus", "source.path=DIR"]
TEST = ["source=corpus", "source.path=TEST"]
SERVER = ["llm=server", "llm.name=x", "llm.url=http://127.0.0.1:9/v1", "llm.tokenizer=null", "llm.attempts=1"]

TRIGGERS = {
    "did you mean ...?": ["train.py", "encoder.learning_rate=1"],
    "a setting that exists": ["train.py", "+encoder.rank=8", *DATA],
    "since it has no default": ["train.py", "source=corpus"],
    "which this command does not choose": ["train.py", "llm.url=http://127.0.0.1:8000/v1"],
    "is quoted for Hydra": ["train.py", "source.path=my(data"],
    "did you mean trainer.max_steps": ["train.py", "trainer.max_epochs=3"],
    "takes it": ["train.py", "trainer.profiler=simple"],
    "trainer.accelerator": ["train.py", *DATA, "reward=none", "trainer.accelerator=tpu"],
    "a directory that holds a data set": ["train.py", "source=corpus", "source.path=EMPTY"],
    "no corpus.jsonl": ["train.py", "source=corpus", "source.path=NO_CORPUS"],
    "has no test file": ["evaluate.py", *DATA, "run.rag_enabled=false"],
    "expected one JSON object a line": ["train.py", "source=corpus", "source.path=NO_JSON"],
    "field 'pos' names": ["train.py", "source=corpus", "source.path=UNKNOWN_POS"],
    "is already that of line": ["train.py", "source=corpus", "source.path=TWICE"],
    "not UTF-8 text": ["train.py", "source=corpus", "source.path=LATIN"],
    "which the objective of task": ["train.py", *DATA],
    "to keep source.test_share": ["train.py", *DATA, "source.test_share=0.5"],
    "files that end in": ["train.py", "source=folder", "source.path=EMPTY"],
    "no document can be read": ["train.py", "source=folder", "source.path=BLANK"],
    "an existing folder, package": ["evaluate.py", *TEST, "encoder.name=no/such", "run.rag_enabled=false"],
    "holds what looks like a secret": ["train.py", *DATA, *SERVER, "llm.api_key_env=sk-not-a-name"],
    "since rows asks for": ["evaluate.py", *TEST, "rows=[trained]"],
    "neither a checkpoint file": ["evaluate.py", *TEST, "checkpoint=EMPTY"],
    "published records have no test queries": ["evaluate.py", "source=jsonl", "source.path=EMPTY/FILE"],
}
"""Words of a message, and a command that ends with it."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    root = tmp_path_factory.mktemp("desk")
    query = {"query_id": "q", "query": "what?", "pos": ["a"]}
    files = {
        "DIR": {"corpus": KEYS, "train": [query | {"pos": []}]},
        "TEST": {"corpus": KEYS, "test": [query]},
        "EMPTY": {},
        "NO_CORPUS": {"train": [query]},
        "UNKNOWN_POS": {"corpus": KEYS, "train": [query | {"pos": ["c"]}]},
        "TWICE": {"corpus": [*KEYS, KEYS[0]], "train": [query]},
        "NO_JSON": {"corpus": KEYS, "train": []},
        "LATIN": {"corpus": KEYS, "train": []},
        "BLANK": {},
    }
    for name, parts in files.items():
        (root / name).mkdir()
        for part, rows in parts.items():
            (root / name / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "NO_JSON/train.jsonl").write_text("[" + json.dumps(query) + ",\n")
    (root / "LATIN/train.jsonl").write_bytes(json.dumps(query).replace("what", "\\").encode().replace(b"\\", b"\xe9"))
    (root / "BLANK/empty.md").write_text("")
    (root / "EMPTY/FILE").write_text(json.dumps({"query": "what?", "pos": ["one"], "neg": ["two"]}) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("EMBEDDER_ROOT", str(root))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield root


@pytest.mark.parametrize("words", TRIGGERS)
def test_a_user_sees_it(desk, words):
    (message,) = [one for one in MESSAGES if words in one]
    ended = run_here(*TRIGGERS[words])
    assert ended.returncode != 0
    printed = ended.stdout + ended.stderr
    assert re.search(".*".join(map(re.escape, message.split("..."))), printed, re.DOTALL), printed[-600:]


CAUSED = [one for one in MESSAGES if any(words in one for words in TRIGGERS)]


@pytest.mark.parametrize("message", sorted({*MESSAGES} - {*CAUSED}))
def test_the_source_says_it(message):
    if any(message.startswith(other) for other in OF_OTHERS):
        return
    pieces = [one.strip(" :;,()") for one in re.split(r"\.\.\.|: expected |, got ", message)]
    pieces = [one for one in pieces if len(one) > 7 and not re.fullmatch(r"[\w.]+|status \d+", one)]
    assert pieces
    assert any(all(piece in text for piece in pieces) for text in texts_of_source())


@cache
def texts_of_source():
    """What each file of src can say: its texts one below the other."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    constants = [[node for node in ast.walk(tree) if isinstance(node, ast.Constant)] for tree in trees]
    return ["\n".join(node.value for node in nodes if isinstance(node.value, str)) for nodes in constants]
