"""Data sets that do not lie on disk by id: each form is converted into `corpus.jsonl` and queries, once."""

from embedder.data.forms.documents import Documents
from embedder.data.forms.histories import Histories
from embedder.data.forms.solved_examples import SolvedExamples

__all__ = ["Documents", "Histories", "SolvedExamples"]
