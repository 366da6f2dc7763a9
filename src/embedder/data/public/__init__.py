"""Benchmarks in their public form: tables of a hub or files of the same form, and what their columns mean."""

from embedder.data.public.choices import Choices
from embedder.data.public.example_tasks import ExampleTask, ExampleTasks
from embedder.data.public.judged import Judged, Judgments, beir
from embedder.data.public.questions import Questions, QuestionsWithParagraphs
from embedder.data.public.sessions import Sessions
from embedder.data.public.source import Passages, PublicDataset, PublicSource
from embedder.data.public.table import Table
from embedder.data.public.texts import Texts

__all__ = [
    "Choices",
    "ExampleTask",
    "ExampleTasks",
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
    "beir",
]
