"""A search agent: the LLM writes its own queries between tags, reads what is found, and answers when it wants to."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from embedder.bounds import NonNegativeInt, PositiveInt
from embedder.checks import checked
from embedder.consumers.consumer import Consumer, Outcome, Scene, first_keys, joined_keys
from embedder.consumers.single_shot import SingleShot, answer_scores
from embedder.types import Query, Ranking

_INSTRUCTION = (
    "Answer the given question. You must conduct reasoning inside <think> and </think> first every time you get new "
    "information. After reasoning, if you find you lack some knowledge, you can call a search engine by <search> query "
    "</search> and it will return the top searched results between <information> and </information>. You can search as "
    "many times as you want. If you find no further external knowledge needed, you can directly provide the answer "
    "inside <answer> and </answer>, without detailed illustrations. For example, <answer> Beijing </answer>. "
)
_EXAMPLE = (
    "Question: In which city was the author of The Hobbit born?\n"
    "<think> First I need the author. </think>\n<search> author of The Hobbit </search>\n\n"
    "<information>Doc 1: The Hobbit is a novel by J. R. R. Tolkien, published in 1937.</information>\n\n"
    "<think> Now I need where he was born. </think>\n<search> birthplace of J. R. R. Tolkien </search>\n\n"
    "<information>Doc 1: J. R. R. Tolkien was born in Bloemfontein in 1892.</information>\n\n"
    "<think> He was born in Bloemfontein. </think>\n<answer> Bloemfontein </answer>\n\n"
)
_STOP = ("</search>", "</answer>")


@dataclass
class _State:
    """One query and its transcript, in which the instruction itself is never looked for tags."""

    query: Query
    transcript: str
    before_turn: str = ""
    found: list[Ranking] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    answer: str | None = None
    is_done: bool = False


@checked("consumer")
@dataclass(frozen=True)
class Agent:
    """Lets the LLM search with queries of its own, in the manner of Search-R1.

    In a turn it writes until `</search>` or `</answer>`. A search adds the best keys between `<information>` tags and
    the next turn begins; an answer ends it. A turn that closes neither tag, closes one that it did not open, searches
    for nothing, or searches once more than allowed ends it without an answer, which counts as wrong; so does a
    transcript that with another turn would be longer than the LLM reads. Tags are looked for in what the LLM wrote in
    this turn and nowhere else.

    `Outcome.prompt` is what stood before its answer, or for an unfinished one what stood before the last turn, with an
    opened `<answer>` tag.

    Source: Jin et al., COLM 2025 (Search-R1, arXiv 2503.09516).

    Args:
        max_searches: Retrievals for a question.
        top_k: Keys of a search.
        max_new_tokens: Length of a turn.
        max_key_words: Longer keys are cut to so many words, and to ten times as many characters.
        example: Show an example behind the instruction, which an LLM that was not trained as an agent needs;
            false is the published prompt.
    """

    max_searches: NonNegativeInt = 5
    top_k: PositiveInt = 3
    max_new_tokens: PositiveInt = 512
    max_key_words: PositiveInt = 150
    example: bool = True
    finds_answers = True  # questions have answers that stand in keys
    shows_first_keys = False  # it searches with its own words

    @property
    def alone(self) -> Consumer:
        """An answer in one go: an agent whose searches find nothing is not the LLM alone."""
        return SingleShot(self.top_k)

    @property
    def texts(self) -> tuple[str, ...]:
        """The instruction, and the example if `example` is set."""
        return (_INSTRUCTION, _EXAMPLE) if self.example else (_INSTRUCTION,)

    def consume(self, queries: Sequence[Query], rankings: Sequence[Ranking], scene: Scene) -> list[Outcome]:
        """An outcome for each query; the rankings are not read, for the agent searches with its own words."""
        start = "\n\n".join(self.texts)
        states = [_State(query, f"{start}Question: {query.text}\n") for query in queries]
        for _ in range(self.max_searches + 1):
            self._turn(self._going_on([state for state in states if not state.is_done], scene), scene)
        return [self._outcome(state, scene) for state in states]

    def _going_on(self, states: Sequence[_State], scene: Scene) -> list[_State]:
        """Those whose transcripts leave the LLM room for another turn; the others end without an answer."""
        fitting = scene.language_model.fits([state.transcript for state in states], self.max_new_tokens)
        for state, is_short in zip(states, fitting, strict=True):
            if not is_short and state.searches:  # where the first prompt is too long, writing says so
                state.is_done, state.transcript = True, state.before_turn
        return [state for state in states if not state.is_done]

    def _turn(self, states: Sequence[_State], scene: Scene) -> None:
        """One turn of every agent that is not done."""
        if not states:
            return
        transcripts = [state.transcript for state in states]
        written = scene.language_model.generate(transcripts, self.max_new_tokens, _STOP)
        searching = []
        for state, text in zip(states, written, strict=True):
            state.before_turn = state.transcript
            answer, query = _between(text, "answer"), _between(text, "search")
            state.is_done = query is None or len(state.searches) == self.max_searches
            if answer is not None:
                state.answer = answer
                state.transcript += text[: text.rindex("<answer>")]
            elif not state.is_done and query is not None:
                state.searches.append(query)
                state.transcript += text
                searching.append(state)
        asked = [(state.query, state.searches[-1], len(state.searches)) for state in searching]
        for state, ranking in zip(searching, scene.search_again(asked, self.top_k), strict=True):
            state.found.append(first_keys(ranking, self.top_k))
            state.transcript += f"\n\n<information>{self._information(ranking, scene)}</information>\n\n"

    def _information(self, ranking: Ranking, scene: Scene) -> str:
        texts = scene.texts(ranking.key_ids[: self.top_k], self.max_key_words)
        return "\n".join(f"Doc {number}: {text}" for number, text in enumerate(texts, 1)) or "Nothing was found."

    def _outcome(self, state: _State, scene: Scene) -> Outcome:
        output = state.answer or ""
        return Outcome(
            joined_keys(state.found, self.top_k * self.max_searches),
            f"{state.transcript}<answer>",
            scene.gold(state.query),
            output,
            answer_scores(output, state.query.answers),
            steps=tuple(state.searches),
        )


def _between(text: str, tag: str) -> str | None:
    """What stands in the tag that ends a text; None where it does not end so, or nothing stands in it."""
    opened, closed = f"<{tag}>", f"</{tag}>"
    if not text.endswith(closed) or opened not in text:
        return None
    return text[text.rindex(opened) + len(opened) : -len(closed)].strip() or None
