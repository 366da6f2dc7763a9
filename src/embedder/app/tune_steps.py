"""How long a tuning trains, from the number of its questions."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from embedder.app.trainer_settings import trainer_keywords
from embedder.bounds import PositiveFloat, PositiveInt
from embedder.checks import checked
from embedder.errors import ConfigError


@checked("steps")
@dataclass(frozen=True)
class StepRule:
    """Passes over the questions, within bounds.

        steps = min(most, max(least, epochs * questions / batch_size))

    Args:
        epochs: Passes over the training questions.
        least: Steps of the smallest set.
        most: Steps of the largest set.
        validations: So many, at equal distances, beside the one before the first step.
    """

    epochs: PositiveFloat = 8.0
    least: PositiveInt = 60
    most: PositiveInt = 600
    validations: PositiveInt = 4

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ConfigError("steps.least", f"at most steps.most ({self.most})", self.least)

    def steps(self, questions: int, batch_size: int) -> int:
        """Optimizer steps for so many training questions, `batch_size` of them a step.

        >>> [StepRule().steps(n, 16) for n in (40, 400, 4000)]
        [60, 200, 600]
        """
        return min(self.most, max(self.least, round(self.epochs * questions / batch_size)))

    def trainer(self, make: Any, questions: int, batch_size: int) -> Any:
        """A `lightning.Trainer` in the making, with these steps in place of its own."""
        accumulated = trainer_keywords(make)["accumulate_grad_batches"]
        steps = self.steps(questions, batch_size * accumulated)
        own = {"max_steps": steps, "val_check_interval": max(1, steps // self.validations) * accumulated}
        return partial(make.func, *make.args, **{**make.keywords, **own})
