"""How much of the LLM's work the rewards of a data set may take."""

from dataclasses import dataclass, fields
from typing import Annotated

from embedder.bounds import Bound, Limit
from embedder.checks import checked

_Minutes = Annotated[float, Bound("a number above 0", above=0, null="null for no limit")]


@checked("prepare.rewards.budget")
@dataclass(frozen=True)
class Budget:
    """What the LLM judges of each data set: queries with an answer, in the order of a hash of their ids.

    So another budget judges the first ones of the same order. Training and validation queries come in that order as
    they fall: the part that is judged does not depend on how many validate. Whichever limit is reached first ends it.

    Args:
        queries: So many queries at most.
        tokens: No query is begun once the LLM has run so many tokens; what the store has costs none.
        minutes: No query is begun after so many minutes of labelling.
    """

    queries: Limit | None = None
    tokens: Limit | None = None
    minutes: _Minutes | None = None

    @property
    def is_open(self) -> bool:
        """Whether only the labelling itself can tell where it ends."""
        return self.tokens is not None or self.minutes is not None

    def of_task(self, own: "Budget | None") -> "Budget":
        """This budget with what a task sets itself."""
        values = {field.name: getattr(own, field.name, None) for field in fields(self)}
        return Budget(**{name: getattr(self, name) if value is None else value for name, value in values.items()})
