"""Few-shot examples as keys; without a file of training queries, each is also a query, never compared with itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.jsonl import JsonLines


@dataclass(frozen=True)
class FewShotExamples:
    """`corpus.jsonl` of examples (`id`, `contents`: the input, a line break and the output; `answers`, `options`).

    Queries lie as in the form by id. Without a `train.jsonl` every example is a training query: its contents without
    the output, which is the first of its answers that the contents end with.
    """

    def fits(self, files: Mapping[str, Path]) -> bool:
        """Whether the rows of the corpus have contents."""
        return "corpus" in files and "contents" in JsonLines(files["corpus"])[0]

    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The files by id; see `Form`."""
        examples = JsonLines(files["corpus"])
        yield "corpus", map(_key, examples.rows())
        yield "train", _unchanged(files, "train") if "train" in files else map(_query, examples.rows())
        if "test" in files:
            yield "test", _unchanged(files, "test")


def _unchanged(files: Mapping[str, Path], role: str) -> Rows:
    return (row.values | {ORIGIN: (role, row.line)} for row in JsonLines(files[role]).rows())


def _key(row: Row) -> dict[str, Any]:
    return {"id": row.text("id"), "text": row.text("contents"), ORIGIN: ("corpus", row.line)}


def _query(row: Row) -> dict[str, Any]:
    name, contents, answers = row.text("id"), row.text("contents").rstrip(), row.texts("answers")
    answer = next((answer.strip() for answer in answers if contents.endswith(f"\n{answer.strip()}")), "")
    question = contents.removesuffix(answer).rstrip()
    if not answer or not question:
        raise row.error("field 'contents': expected an input, a line break and one of 'answers'")
    others = {field: value for field, value in row.values.items() if field not in ("id", "contents")}
    return others | {"query_id": name, "query": question, "exclude": [name], ORIGIN: ("corpus", row.line)}
