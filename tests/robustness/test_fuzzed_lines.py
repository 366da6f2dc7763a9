"""Lines of data that are wrong in every way: read, or refused in one line that names the file and its line.

ROBUSTNESS_SEED draws others.
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from embedder.commands.search import _read as read_keys
from embedder.data.corpus import Corpus
from embedder.data.forms import Documents, FewShotExamples, Histories
from embedder.data.forms.form import Form
from embedder.data.queries import Queries
from embedder.data.records import Records
from embedder.data.sources import CorpusSource, JsonlSource
from embedder.errors import EmbedderError
from embedder.search.keys import text_of
from tests.robustness.mutations import mutated

KEYS = [{"id": f"k{n}", "title": "A", "text": f"harbour {n}"} for n in range(3)]
ABOUT = {"answers": ["a"], "options": ["a", "b"], "task_name": "t"}
QUERIES = [
    {"query_id": f"q{n}", "query": "who?", "pos": [f"k{n}"], "exclude": ["k2"], "among": ["k0", "k2"], **ABOUT}
    for n in range(2)
]
RECORDS = [
    {"query": f"who {n}?", "pos": ["a"], "neg": ["b", "c"], "pos_index": [1], "neg_index": [2, 3], "task": "qa"}
    | {"teacher_scores": [1.0, 0.5, -1.0], "answers": ["a"], "query_id": f"{n}", "pos_id": ["1"], "neg_id": ["2", "3"]}
    for n in range(3)
]
HISTORIES = [{"history_id": "a", "history": ["one", "two"]}, {"history_id": "b", "history": ["three", "four"]}]
TURNS = [{"query_id": f"{n}", "query": "q?", "answers": ["x"], "history_id": "b", "evidence": [0]} for n in range(2)]
TEXTS = [{"doc_id": f"d{n}", "text": " ".join(f"w{i}" for i in range(20))} for n in range(2)]
EXAMPLES = [{"id": f"a{n}", "contents": "2 + 2\na", **ABOUT} for n in range(3)]
BEIR = {
    "corpus": [{"_id": f"k{n}", "title": "A", "text": f"harbour {n}"} for n in range(3)],
    "queries": [{"_id": f"q{n}", "text": f"who {n}?", "metadata": {"a": [1]}} for n in range(2)],
}


@dataclass(frozen=True)
class Shape:
    """A way to write data.

    Args:
        files: Valid rows by the stem of their file.
        read: Reads all that lies in a folder; the second folder is for what is made of it.
    """

    files: Mapping[str, list[dict[str, Any]]]
    read: Callable[[Path, Path], None]


def by_form(form: Form | None) -> Callable[[Path, Path], None]:
    def read(folder: Path, made: Path) -> None:
        for dataset in CorpusSource(str(folder), str(made)).datasets("any", form):
            corpus = Corpus(dataset.file("corpus"))
            texts = [key.text for key in corpus]
            for path in filter(None, (dataset.train, dataset.test)):
                texts += [text for query in Queries(path, corpus) for text in (query.text, *query.answers)]
            "".join(texts).encode()  # whoever encodes or writes them does so

    return read


def read_beir(folder: Path, made: Path) -> None:
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\tk0\t1\nq1\tk1\t2\n")
    by_form(None)(folder, made)


def read_published(folder: Path, made: Path) -> None:
    (dataset,) = JsonlSource(str(folder / "records.jsonl"), str(made)).datasets("qa")
    for record in Records(dataset.file("records"), "qa"):
        "".join((record.query, *(key.text for key in (*record.positives, *record.negatives)))).encode()


def read_searched(folder: Path, made: Path) -> None:
    "".join(map(text_of, read_keys(str(folder / "keys.jsonl")))).encode()


SHAPES = {
    "by id": Shape({"corpus": KEYS, "train": QUERIES, "test": QUERIES}, by_form(None)),
    "histories": Shape({"histories": HISTORIES, "train": TURNS}, by_form(Histories())),
    "documents": Shape({"train": TEXTS}, by_form(Documents(chunk_words=2, min_keys=2, every=2, test_chunks=3))),
    "few-shot examples": Shape({"corpus": EXAMPLES, "test": TURNS[:1]}, by_form(FewShotExamples())),
    "BEIR": Shape(BEIR, read_beir),
    "published records": Shape({"records": RECORDS}, read_published),
    "keys of a search": Shape({"keys": KEYS}, read_searched),
}
SEED = os.environ.get("ROBUSTNESS_SEED", "")
N = 1430
"""Lines of a shape: more than 10,000 together."""
_BETWEEN = re.compile("is already that of line|came before|which is not in")
"""What is said where a line and another one contradict each other: the other one may be named."""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")


@pytest.mark.parametrize("n", [15, pytest.param(N, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_wrong_line_is_read_or_refused_by_file_and_line(tmp_path, shape, n, caplog):
    caplog.set_level(logging.CRITICAL)
    one, draw = SHAPES[shape], Random(f"{shape} {n}{SEED}")
    lines = {stem: [json.dumps(row) for row in rows] for stem, rows in one.files.items()}
    outcomes = {"read": 0, "refused": 0}
    one.read(written(tmp_path / "valid", lines), tmp_path / "made")  # as they are
    for number in range(n):
        stem = draw.choice([*lines])
        position = draw.randrange(len(lines[stem]))
        wrong = mutated(lines[stem][position], lines[stem], draw)
        folder = written(tmp_path / "mine", lines, stem, position, wrong)
        try:
            one.read(folder, tmp_path / "made")
            outcomes["read"] += 1
        except EmbedderError as error:
            outcomes["refused"] += 1
            said = str(error)
            lines_of_it = range(position + 1, position + 2 + wrong.count(b"\n"))
            assert names(said, folder, f"{stem}.jsonl", lines_of_it), (number, wrong[:500], said)
            assert not _UNSEEN.search(said), (number, wrong[:500], said)
            assert len(said) < 3000, (number, wrong[:500])
        except Exception as error:
            pytest.fail(f"{shape}, line {number} of {stem}: {type(error).__name__}: {error}\n{wrong[:2000]!r}")
        shutil.rmtree(tmp_path / "made", ignore_errors=True)
    assert min(outcomes.values()) > n // 20, outcomes  # both happen


def names(said: str, folder: Path, file: str, lines: range) -> bool:
    """Whether it begins with the wrong line; a line elsewhere or a folder only if these are what is wrong."""
    if any(said.startswith(f"{folder / file}:{line}: ") for line in lines):
        return True
    by_first = lines.start == 1 and "missing field" in said  # which form the other lines have, the first one says
    if by_first or _BETWEEN.search(said):
        return re.match(rf"{re.escape(str(folder))}/[\w/]+\.(jsonl|tsv):\d+: ", said) is not None
    return said.startswith(f"{folder}: no corpus.jsonl; ")  # the first line says which form a folder has


def written(
    folder: Path, lines: Mapping[str, list[str]], stem: str = "", position: int = 0, wrong: bytes = b""
) -> Path:
    """Write all lines, of which one is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, of_file in lines.items():
        content = [line.encode() for line in of_file]
        if name == stem:
            content[position] = wrong
        (folder / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in content))
    return folder
