"""How large the bundled world is, and which of its files are written."""

from dataclasses import dataclass
from typing import Annotated

from embedder.bounds import Bound, Seed
from embedder.checks import checked
from embedder.errors import ConfigError

TASKS = ("qa", "convsearch", "chat", "lrlm", "icl", "tool")
REGION_SIZE = 100  # passages, or a few more where the number does not divide
QUESTIONS_PER_PASSAGE = 3


@checked("source.settings")
@dataclass(frozen=True)
class WorldSettings:
    """Size, seed and tasks of a world.

    Args:
        passages: Rows of the qa corpus, exactly; from 200 to millions. About 0.1 ms each.
        questions: Training and test queries of each task together; at most three for each passage. Long documents
            (lrlm) are one for every 50 questions, at least 4.
        test_share: Share of the questions that are test questions, strictly between 0 and 1.
        seed: Another seed makes another world.
        tasks: Which of qa, convsearch, chat, lrlm, icl and tool to write.
    """

    passages: Annotated[int, Bound("at least 200", at_least=200)] = 1000
    questions: int = 600
    test_share: Annotated[float, Bound("between 0.05 and 0.95", at_least=0.05, at_most=0.95)] = 0.25
    seed: Seed = 0
    tasks: tuple[str, ...] = TASKS

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))  # Hydra hands over a list
        most = QUESTIONS_PER_PASSAGE * self.passages
        if not 10 <= self.questions <= most:
            expected = f"10 to {most} for {self.passages} passages"
            raise ConfigError("source.settings.questions", expected, self.questions)
        if not self.tasks or len(set(self.tasks)) < len(self.tasks) or not set(self.tasks) <= set(TASKS):
            raise ConfigError("source.settings.tasks", f"different ones of {', '.join(TASKS)}", self.tasks)

    @property
    def test_questions(self) -> int:
        """Number of test queries of each task, at least 1."""
        return max(1, round(self.questions * self.test_share))

    @property
    def train_questions(self) -> int:
        """Number of training queries of each task, at least 1."""
        return self.questions - self.test_questions

    @property
    def regions(self) -> int:
        """Number of independent parts of the encyclopedia."""
        return self.passages // REGION_SIZE

    @property
    def documents(self) -> int:
        """Number of long documents."""
        return max(4, self.questions // 50)

    @property
    def test_documents(self) -> int:
        """Number of long documents for tests."""
        return min(self.documents - 1, max(1, round(self.documents * self.test_share)))
