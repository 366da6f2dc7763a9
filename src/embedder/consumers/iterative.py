"""Answering in rounds: retrieve, reason, retrieve with what was reasoned, then answer with all that was found."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from embedder.bounds import PositiveInt
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, first_keys, joined_keys
from embedder.consumers.single_shot import SingleShot, answered
from embedder.types import Query, Ranking

# One example each; a small LLM copies the form and no more. The second one shows when to stop.
_EXAMPLES = {
    "thoughts": (
        "Q: In which city was the author of The Hobbit born?\n"
        "Thought: The Hobbit was written by J. R. R. Tolkien.\n"
        "Thought: J. R. R. Tolkien was born in Bloemfontein.\n"
        "Thought: So the answer is Bloemfontein.\n\n"
    ),
    "follow_ups": (
        "Q: In which city was the author of The Hobbit born?\n"
        "Follow up: Who is the author of The Hobbit?\n"
        "Intermediate answer: J. R. R. Tolkien\n"
        "Follow up: In which city was J. R. R. Tolkien born?\n"
        "Intermediate answer: Bloemfontein\n"
        "Follow up: So the answer is Bloemfontein.\n\n"
    ),
}
_DONE = "answer is"


@dataclass
class _State:
    """What is known of a query so far."""

    query: Query
    found: list[Ranking]
    lines: str = ""
    steps: list[str] = field(default_factory=list)
    is_done: bool = False


@checked("consumer")
@dataclass(frozen=True)
class Iterative:
    """Retrieves again with what the LLM thinks, for questions that one search cannot answer.

    In a round the LLM sees all keys found so far and writes one line: its next `thought` (IRCoT), or its next
    follow-up question (self-ask), which it then answers from the keys that this question finds. The line is the next
    query. A line that says "the answer is", is empty or was there before ends the rounds. Then the question is
    answered as `SingleShot` does with all keys found, those of the first search first: what was thought is for
    searching alone, so the answers of both consumers follow the same kind of prompt.

    Source: Trivedi et al., ACL 2023 (IRCoT); Press et al., Findings of EMNLP 2023 (self-ask).

    Args:
        style: `thoughts` (IRCoT) or `follow_ups` (self-ask).
        rounds: Searches after the first one, at most.
        top_k: Keys of a search.
        max_keys: Keys shown at once, at most.
        max_new_tokens: Length of an answer.
        max_thought_tokens: Length of a thought, a follow-up question or its answer.
        max_key_words: While it searches, longer keys are cut to so many words, and to ten times as many characters.
    """

    style: Literal["thoughts", "follow_ups"] = "thoughts"
    rounds: PositiveInt = 3
    top_k: PositiveInt = 3
    max_keys: PositiveInt = 8
    max_new_tokens: PositiveInt = 16
    max_thought_tokens: PositiveInt = 48
    max_key_words: PositiveInt = 150
    finds_answers = True  # questions have answers that stand in keys
    shows_first_keys = False  # it searches with its own words

    @property
    def alone(self) -> Consumer:
        """An answer in one go: what it writes between searches is for searching alone."""
        return SingleShot(self.top_k, self.max_new_tokens)

    @property
    def texts(self) -> tuple[str, ...]:
        """The example that its thoughts or follow-up questions are modelled on."""
        return (_EXAMPLES[self.style],)

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query."""
        states = [
            _State(query, [first_keys(ranking, self.top_k)]) for query, ranking in zip(queries, rankings, strict=True)
        ]
        for number in range(1, self.rounds + 1):
            self._round([state for state in states if not state.is_done], number, scene)
        keys = [joined_keys(state.found, self.max_keys) for state in states]
        outcomes = answered(queries, keys, scene, self.max_new_tokens)
        return [replace(o, steps=tuple(state.steps)) for o, state in zip(outcomes, states, strict=True)]

    def _round(self, states: Sequence[_State], number: int, scene: Scene) -> None:
        """One more line and one more search for each query that is not done."""
        cue = "Thought:" if self.style == "thoughts" else "Follow up:"
        prompts = [self._prompt(state, cue, scene) for state in states]
        for state, line in zip(states, self._write(prompts, scene), strict=True):
            state.is_done = not line or line in state.steps or _DONE in line.lower()
            if line:
                state.steps.append(line)
                state.lines += f"{cue} {line}\n"
        going_on = [state for state in states if not state.is_done]
        found = scene.search_again([(state.query, state.steps[-1], number) for state in going_on], self.top_k)
        for state, ranking in zip(going_on, found, strict=True):
            # The newest first where room is short in the next prompt; in the answer's prompt the first search leads.
            state.found.append(ranking)
        if self.style == "follow_ups":
            cue = "Intermediate answer:"
            prompts = [self._prompt(state, cue, scene) for state in going_on]
            for state, line in zip(going_on, self._write(prompts, scene), strict=True):
                state.lines += f"{cue} {line}\n"

    def _write(self, prompts: Sequence[str], scene: Scene) -> list[str]:
        return scene.language_model.generate(prompts, self.max_thought_tokens) if prompts else []

    def _prompt(self, state: _State, cue: str, scene: Scene) -> str:
        """An example, the keys found so far, the question, what was thought of it, and what comes next."""
        keys = joined_keys(state.found[::-1], self.max_keys)
        passages = "".join(f"{text}\n" for text in scene.texts(keys.key_ids, self.max_key_words))
        knowledge = f"Knowledge:\n{passages}\n" if passages else ""
        return f"{_EXAMPLES[self.style]}{knowledge}Q: {state.query.text}\n{state.lines}{cue}"
