"""Multiple-choice questions, each with its choices and the number of the right one: MMLU."""

from collections.abc import Iterator
from dataclasses import dataclass

from embedder.data.forms.form import Rows
from embedder.public.table import Table


@dataclass(frozen=True)
class Choices:
    """One question a row.

    Args:
        test: The table.
        question: Its column of questions.
        choices: Its column of lists of choices.
        answer: Its column of the number of the right one, from 0.
        subject: Its column of subjects.
    """

    test: Table
    question: str = "question"
    choices: str = "choices"
    answer: str = "answer"
    subject: str = "subject"

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The queries; see `PublicForm`."""
        yield "test", self._queries()

    def _queries(self) -> Rows:
        for number, row in enumerate(self.test.rows([self.question, self.choices, self.answer, self.subject])):
            choices, answer = row.texts(self.choices), row.value(self.answer)
            if not isinstance(answer, int) or not 0 <= answer < len(choices):
                raise row.error(
                    f"column {self.answer!r}: expected a number from 0 to {len(choices) - 1}, got {answer!r}"
                )
            yield {
                "query_id": str(number),
                "query": row.text(self.question),
                "options": list(choices),
                "answers": [choices[answer]],
                "task_name": row.text(self.subject),
            }
