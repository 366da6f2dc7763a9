"""The prompts of a query, and the outputs that labelling, its estimate and evaluation have the LLM score."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from embedder.metrics.options import wrong_options
from embedder.rewards.sampled_outputs import DRAWS, OutputSettings, sample_competitors


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """One query to label.

    Args:
        prompt: Without a candidate.
        candidate_prompts: With each candidate.
        answers: The gold answers as outputs: each begins with the white space between prompt and answer.
        sample_prompts: What competitors are sampled after; by default `prompt` alone.
        options: What there is to choose from. A query with options has the wrong ones as its competitors, and nothing
            is sampled for it.
        lead: White space between the prompt and a sampled output.
        question: The text of the query, for an LLM that judges answers or candidates in a prompt of its own.
        candidates: The text of each candidate, for the same; as many as `candidate_prompts`, or none.
    """

    prompt: str
    candidate_prompts: tuple[str, ...]
    answers: tuple[str, ...]
    sample_prompts: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    lead: str = " "
    question: str = ""
    candidates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any(answer.strip() for answer in self.answers):
            raise ValueError(f"a query without an answer cannot be labelled: {self.prompt!r}")

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that outputs are scored after: without a candidate, then with each of C; 1 + C."""
        return (self.prompt, *self.candidate_prompts)

    @property
    def sampled_after(self) -> tuple[str, ...]:
        """The prompts that competitors are sampled after."""
        return self.sample_prompts or (self.prompt,)

    def first(self, n: int) -> "LabelRequest":
        """The same with its first `n` candidates."""
        return replace(self, candidate_prompts=self.candidate_prompts[:n], candidates=self.candidates[:n])

    def distinct_answers(self, n: int) -> tuple[str, ...]:
        """The first `n` gold answers, each once."""
        return tuple(dict.fromkeys(answer for answer in self.answers if answer.strip()))[:n]


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs that are scored after every prompt of one request."""

    answers: tuple[str, ...]
    competitors: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, the answers first."""
        return (*self.answers, *self.competitors)


Sample = Callable[[Sequence[str], int, int, float, Sequence[int]], list[list[str]]]
"""Samples outputs, as `LanguageModel.sample` does, or reads those that were sampled before."""


def choose_outputs(requests: Sequence[LabelRequest], settings: OutputSettings, sample: Sample) -> list[Outputs]:
    """The outputs of each request: its distinct answers, and its wrong options or sampled competitors.

    Args:
        requests: The queries.
        settings: How many outputs, and how competitors are sampled.
        sample: Samples `DRAWS` outputs after each prompt.
    """

    def draw(prompts: list[str], seeds: list[int]) -> list[list[str]]:
        return sample(prompts, DRAWS, settings.max_new_tokens, settings.temperature, seeds)

    open_requests = [request for request in requests if not request.options]
    sampled = iter(
        sample_competitors(
            draw,
            [request.sampled_after for request in open_requests],
            [request.answers for request in open_requests],
            settings.n_outputs,
            settings.seed,
        )
    )
    return [
        Outputs(
            request.distinct_answers(settings.max_answers),
            wrong_options(request.options, request.answers)
            if request.options
            else tuple(request.lead + output for output in next(sampled)),
        )
        for request in requests
    ]


def prompts_with_outputs(
    requests: Sequence[LabelRequest], outputs: Sequence[Outputs]
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Every prompt of the requests, with the outputs to score after it."""
    prompts = [prompt for request in requests for prompt in request.prompts]
    texts = [own.texts for request, own in zip(requests, outputs, strict=True) for _ in request.prompts]
    return prompts, texts


def lead_of(output: Callable[[str], str]) -> str:
    """The white space that a prompt's `output` puts between the prompt and what the LLM writes after it."""
    return output("x").removesuffix("x")
