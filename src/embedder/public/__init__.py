"""Benchmarks in their public form: tables of a hub or files of the same form, and what their columns mean."""

from embedder.public.example_tasks import ExampleTask, ExampleTasks
from embedder.public.ir_table import IrTable, ir_dataset
from embedder.public.judged import Judged, Judgments
from embedder.public.questions import Questions, QuestionsWithParagraphs
from embedder.public.sessions import Sessions
from embedder.public.source import Passages, PublicDataset, PublicSource
from embedder.public.table import Table
from embedder.public.texts import Texts

__all__ = [
    "ExampleTask",
    "ExampleTasks",
    "IrTable",
    "Judged",
    "Judgments",
    "Passages",
    "PublicDataset",
    "PublicSource",
    "Questions",
    "QuestionsWithParagraphs",
    "Sessions",
    "Table",
    "Texts",
    "ir_dataset",
]
