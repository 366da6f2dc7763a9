"""Data sets that do not lie on disk by id: each form is converted into `corpus.jsonl` and queries, once."""

from embedder.data.forms.documents import Documents
from embedder.data.forms.few_shot_examples import FewShotExamples
from embedder.data.forms.histories import Histories

__all__ = ["Documents", "FewShotExamples", "Histories"]
