"""The `README.md` of an export: how to encode as training did, and where sentence-transformers differs from it."""

from collections.abc import Mapping, Sequence

from embedder.types import Side, TaskSides


def read_me(tasks: Mapping[str, TaskSides], differences: Sequence[str]) -> str:
    """How to get the vectors that training saw, as Markdown."""
    default = next(iter(tasks))
    text = f"""# An encoder trained with embedder

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("THIS_FOLDER")
queries = model.encode_query(["..."], prompt_name="{default}_query")
keys = model.encode_document(["..."], prompt_name="{default}_key")
```

Tasks: {", ".join(tasks)}.
"""
    if differences:
        lines = "\n".join(f"- {difference}" for difference in differences)
        text += f"""
## Long texts
sentence-transformers reads some long texts differently from training, and gives worse vectors for them:

{lines}

The vectors of training, for texts of any length:

```python
from embedder.encoders.checkpoint import load_trained

trained = load_trained("THIS_FOLDER")
queries = trained.encoder.encode(["..."], trained.tasks["{default}"].query)
keys = trained.encoder.encode(["..."], trained.tasks["{default}"].key)
```

Where only a length differs, `model[0].query_length = N` or `model[0].document_length = N` does it too in
sentence-transformers 6.
"""
    return text


def differences_of_long_texts(tasks: Mapping[str, TaskSides], lengths: Mapping[Side, int]) -> list[str]:
    """What sentence-transformers reads of long texts differently from training did, a line for each side of a task."""
    lines = []
    for name, sides in tasks.items():
        for reading in (sides.query, sides.key):
            ours = reading.max_length or lengths[reading.side]
            method = "encode_query" if reading.side == "query" else "encode_document"
            theirs = lengths[reading.side]
            if reading.keep == "end" or ours < theirs:
                texts = "queries" if reading.side == "query" else "keys"
                end = "last" if reading.keep == "end" else "first"
                read = f"of longer {texts} training read the {end} {ours} tokens"
                lines.append(f"{name}: {read}, and {method}() reads the first {theirs}")
    return lines
