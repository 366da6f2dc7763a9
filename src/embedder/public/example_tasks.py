"""Tasks for in-context learning: the examples of each are keys, its test inputs are queries."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedder.data.fields import Row
from embedder.data.forms.form import Rows
from embedder.errors import ConfigError
from embedder.public.form import PublicTable
from embedder.public.table import columns_in, fill, texts

_NUMBER = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True)
class ExampleTask:
    """One task: multiple choice where there are options, else generation.

    Args:
        category: What it is counted under.
        train: Few-shot examples.
        test: Inputs, with their answers.
        input: Template of an input, `{column}` standing for its value.
        answer: Column of the answer: a text or a list of them, or of the options the number, the text or the label.
        options: The options, where all inputs share them.
        option_columns: Columns of the options, where inputs have their own: one list, or several texts.
        labels: Column of the labels of the options, such as letters; None where the answer is a number or a text.
        first_number: The number of the first option.
    """

    category: str
    train: PublicTable
    test: PublicTable
    input: str
    answer: str
    options: Sequence[str] = ()
    option_columns: Sequence[str] = ()
    labels: str | None = None
    first_number: int = 0

    def __post_init__(self) -> None:
        if self.options and self.option_columns:
            raise ConfigError("form.tasks.options", "options or option_columns, not both", list(self.options))

    def examples(self, table: PublicTable) -> Iterator[dict[str, Any]]:
        """Of each row its `query`, `options` and `answers`."""
        more = [self.answer, *self.option_columns, *([self.labels] if self.labels else [])]
        for row in table.rows([*columns_in(self.input), *more]):
            options = list(self.options) or [text for column in self.option_columns for text in texts(row, column)]
            listed = "\nOPTIONS:\n" + "\n".join(f"- {option}" for option in options) if options else ""
            answers = (
                [self._option(row, options)] if options else [text for text in texts(row, self.answer) if text.strip()]
            )
            if not answers:
                raise row.error(f"column {self.answer!r}: expected an answer, got none")
            if not (query := fill(self.input, row).strip()):
                raise row.error(f"template {self.input!r}: expected an input, got a blank one")
            yield {"query": query + listed, "options": options, "answers": answers}

    def _option(self, row: Row, options: Sequence[str]) -> str:
        value = row.value(self.answer)
        if self.labels is not None:
            names = row.texts(self.labels)
            number = names.index(value) if value in names else -1
        elif value in options:
            return str(value)
        else:
            number = int(value) - self.first_number if _NUMBER.fullmatch(str(value)) or value in (True, False) else -1
        if not 0 <= number < len(options):
            raise row.error(
                f"column {self.answer!r}: expected one of {list(options)} or its number or label, got {value!r}"
            )
        return options[number]


@dataclass(frozen=True)
class ExampleTasks:
    """Any number of tasks as one data set, in the form that `FewShotExamples` reads.

    Args:
        tasks: By name.
    """

    tasks: Mapping[str, ExampleTask]

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """Examples and queries; see `PublicForm`."""
        yield "corpus", self._corpus()
        yield "test", self._queries()

    def _corpus(self) -> Rows:
        for name, task in self.tasks.items():
            for number, example in enumerate(task.examples(task.train)):
                contents = f"{example['query']}\n{example['answers'][0].strip()}"
                parts = {"id": f"{name}-{number}", "task_name": name, "category": task.category, "contents": contents}
                yield parts | {"answers": example["answers"], "options": example["options"]}

    def _queries(self) -> Rows:
        for name, task in self.tasks.items():
            for number, example in enumerate(task.examples(task.test)):
                yield {"query_id": f"{name}-t{number}", "task_name": name, "category": task.category} | example
