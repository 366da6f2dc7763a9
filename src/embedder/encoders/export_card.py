"""The model card of an export, `README.md`: how to use it, how it reads texts, what made it, how good it is."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedder.encoders.framework_lines import FRAMEWORK_LINES
from embedder.shown import shown
from embedder.types import Side, TaskSides

_TITLES = "A key with a title is read as its title, a blank and its text (`embedder.join_title`): join them so."


def card(description: Mapping[str, Any], differences: Sequence[str]) -> str:
    """The card as Markdown, with the block of settings that hubs read: the same description gives the same text.

    Args:
        description: What `embedder.json` says.
        differences: Where sentence-transformers reads long texts otherwise than training, in sentences.
    """
    parts = [_settings(description), *_parts(description)]
    if differences:
        parts.append(_long_texts(differences))
    return "\n".join(parts)


def _settings(description: Mapping[str, Any]) -> str:
    """The YAML block; what is not known is left out, such as the licence."""
    from huggingface_hub import EvalResult, ModelCardData

    named, facts = str(description["base"]["name"]), description.get("card", {})
    results = [
        EvalResult("text-retrieval", "validation", "validation queries", metric.removeprefix("val/"), value)
        for metric, value in sorted(description.get("scores", {}).items())
        if metric.startswith("val/") and "loss" not in metric
    ]
    data = ModelCardData(
        model_name="embedder",
        base_model=named if _is_of_a_hub(named) else None,
        library_name="sentence-transformers",
        pipeline_tag="sentence-similarity",
        tags=["sentence-transformers", "feature-extraction", "sentence-similarity", "retrieval", "embedder"],
        eval_results=results or None,
        license=facts.get("license"),
        datasets=list(facts.get("datasets", ())) or None,
        language=list(facts.get("language", ())) or None,
    )
    return f"---\n{data.to_yaml()}\n---"


def _is_of_a_hub(name: str) -> bool:
    return name.count("/") == 1 and ":" not in name and not name.startswith((".", "~", "/")) and not Path(name).exists()


def _parts(description: Mapping[str, Any]) -> Iterator[str]:
    default = next(iter(description["tasks"]))
    base = description["base"]
    name = base["name"] if _is_of_a_hub(base["name"]) or ":" in base["name"] else Path(base["name"]).name
    revision = f", revision `{base['revision']}`" if base["revision"] else ""
    yield f"# {shown(name)}, tuned to retrieve for an LLM\n"
    yield (
        f"Made with embedder from `{shown(name)}`{revision} (`{base['fingerprint']}`). Vectors have "
        f"{description['dimension']} numbers and length 1: compare them by cosine or inner product. {_TITLES}\n"
    )
    if parts := description.get("average"):
        listed = ", ".join(f"{share:g} of `{shown(part)}`" for part, share in parts)
        yield f"Its weights are the mean of {listed}.\n"
    yield "## How texts are read"
    yield from _readings(description["tasks"])
    if fingerprints := description.get("key_fingerprints"):
        listed = ", ".join(f"`{shown(value[:12])}` ({shown(name)})" for name, value in fingerprints.items())
        yield (
            f"\nOnly queries were trained: keys are those of the base encoder (fingerprint {listed}), so that an index "
            "that it made stays valid. The whole fingerprints are in `embedder.json`."
        )
    yield f"\nThe prompts `query` and `document` are those of `{default}`; each task has `TASK_query` and `TASK_key`.\n"
    yield from _frameworks(default, separate=not description["encoder"]["shared"])
    yield from _evaluation(description)
    yield from _data(description.get("data", {}), description.get("card", {}).get("data_licenses"))
    yield (
        "## Check a copy\n`embedder.json` holds the vectors of three texts (`probes`, `probe_sides`); embedder checks "
        "them when it loads. `digests.json` holds SHA-256 of every file.\n"
    )


def _readings(tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| task | side | instruction | tokens at most | of a longer text |\n|---|---|---|---|---|"
    for name, sides in tasks.items():
        for side in ("query", "key"):
            keep = sides["query_keep"] if side == "query" else "start"
            instruction, length = sides[f"{side}_instruction"], sides[f"{side}_max_length"]
            yield f"| {name} | {side} | {_code(instruction)} | {length} | its {keep} |"


def _code(text: str) -> str:
    """A text as it is, blanks at its end included, in a cell of a table."""
    cell = shown(text).replace("|", "\\|").replace("`", "'")
    return f"`{cell}`" if text else "none"


def _frameworks(default: str, *, separate: bool) -> Iterator[str]:
    yield (
        "## Use\n`export` is this folder. Plain `encode`, which many frameworks call for queries too, reads the "
        "instruction for keys unless another one is named.\n"
    )
    if separate:
        yield (
            "Queries and keys have encoders of their own, which needs sentence-transformers 5 or newer. Plain `encode` "
            'takes the one for keys, whatever prompt is named, unless it gets `task="query"`. LlamaIndex and '
            "text-embeddings-inference have no setting for that: give LlamaIndex a class of your own, as for Chroma.\n"
        )
    for framework, lines in FRAMEWORK_LINES.items():
        if not (separate and framework in ("LlamaIndex", "text-embeddings-inference")):
            yield f"{framework}:\n\n```python\n{lines}```\n"
    yield f"""embedder itself reads every task as training did:

```python
from embedder.encoders.checkpoint import load_trained

trained = load_trained("THIS_FOLDER")
queries = trained.encoder.encode(["..."], trained.tasks["{default}"].query)
keys = trained.encoder.encode(["..."], trained.tasks["{default}"].key)
```
"""


def _evaluation(description: Mapping[str, Any]) -> Iterator[str]:
    changes = description.get("changes", ())
    if changes:
        yield "## Validation\nOn queries of the training data that were not trained on:\n"
        yield from (f"- {sentence}" for sentence in changes)
        yield ""
    if table := description.get("card", {}).get("evaluation"):
        yield f"## Evaluation\nOn test queries, with the protocol of its `scores.json`:\n\n{table}\n"


def _data(data: Mapping[str, Mapping[str, Any]], licenses: str | None) -> Iterator[str]:
    if not data:
        return
    yield "## Training data\n| data set | fingerprint | rewards of the LLM | reward |\n|---|---|---|---|"
    for name, protocol in data.items():
        llm = protocol.get("rewards", {}).get("llm", "none: labels alone")
        reward = protocol.get("reward", {}).get("class", "none")
        yield f"| {shown(name)} | `{protocol.get('files', 'unknown')}` | {shown(str(llm))} | {reward} |"
    yield f"\nLicences of the data: {shown(licenses) if licenses else 'not recorded'}.\n"


def _long_texts(differences: Sequence[str]) -> str:
    lines = "\n".join(f"- {difference}" for difference in differences)
    return f"""## Long texts
sentence-transformers reads some long texts differently from training, and gives other vectors for them:

{lines}

`load_trained`, above, reads them as training did. Where only a length differs, `model[0].query_length = N` or
`model[0].document_length = N` does it too in sentence-transformers 6.
"""


def differences_of_long_texts(tasks: Mapping[str, TaskSides], lengths: Mapping[Side, int]) -> list[str]:
    """What sentence-transformers reads of long texts differently from training did, a line for each side of a task."""
    lines = []
    for name, sides in tasks.items():
        for reading in (sides.query, sides.key):
            ours, theirs = reading.max_length or lengths[reading.side], lengths[reading.side]
            if reading.keep == "end" or ours < theirs:
                texts = "queries" if reading.side == "query" else "keys"
                end = "last" if reading.keep == "end" else "first"
                lines.append(f"{name} {texts}: the {end} {ours} tokens in training, the first {theirs} there")
    return lines
