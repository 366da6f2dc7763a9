"""Benchmarks in their public form: tables of a hub or files of the same form, and what their columns mean."""

from embedder.public.choices import Choices
from embedder.public.example_tasks import ExampleTask, ExampleTasks
from embedder.public.judged import Judged, Judgments, beir
from embedder.public.questions import Questions, QuestionsWithParagraphs
from embedder.public.sessions import Sessions
from embedder.public.source import Passages, PublicDataset, PublicSource
from embedder.public.table import Table
from embedder.public.texts import Texts

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
