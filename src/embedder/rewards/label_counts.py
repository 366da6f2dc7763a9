"""Count what is to be labelled: queries, prompts, outputs and their lengths."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from embedder.metrics.options import wrong_options
from embedder.rewards.requests import LabelRequest


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """What is to be labelled, as if no two queries shared a prompt.

    Args:
        queries: Number of queries.
        candidates: Of a query, mean.
        n_outputs: Competitors of a query, mean: as many as are sampled, or its wrong options.
        answers: Gold answers scored for a query, mean.
        prompt_characters: Of a prompt without a candidate, mean.
        candidate_prompt_characters: Of a prompt with a candidate, mean; 0 if there are none.
        sample_prompt_characters: Of the prompts that are sampled after, mean.
        sampled: Share of the queries whose competitors are sampled, having no options.
    """

    queries: int
    candidates: float
    n_outputs: float
    answers: float
    prompt_characters: float
    candidate_prompt_characters: float
    sample_prompt_characters: float
    sampled: float = 1.0

    @property
    def passes(self) -> int:
        """Prompts to score, each once with all its outputs."""
        return round(self.queries * (self.candidates + 1))

    @property
    def score_characters(self) -> float:
        """Mean length of the prompts to score."""
        with_candidates = self.candidates * self.candidate_prompt_characters
        return (self.prompt_characters + with_candidates) / (1 + self.candidates)


def count_requests(requests: Iterable[LabelRequest], n_outputs: int, max_answers: int) -> LabelCounts:
    """The counts of some requests, at least one, each read once."""
    totals: Counter[str] = Counter()
    for request in requests:
        totals["queries"] += 1
        totals["candidates"] += len(request.candidate_prompts)
        totals["answers"] += len(request.distinct_answers(max_answers))
        totals["prompt characters"] += len(request.prompt)
        totals["candidate prompt characters"] += sum(map(len, request.candidate_prompts))
        totals["sample prompts"] += len(request.sampled_after)
        totals["sample prompt characters"] += sum(map(len, request.sampled_after))
        totals["sampled queries"] += not request.options and n_outputs > 0
        totals["competitors"] += len(wrong_options(request.options, request.answers)) if request.options else n_outputs
    queries = totals["queries"]
    return LabelCounts(
        queries=queries,
        candidates=totals["candidates"] / queries,
        n_outputs=totals["competitors"] / queries,
        answers=totals["answers"] / queries,
        prompt_characters=totals["prompt characters"] / queries,
        candidate_prompt_characters=totals["candidate prompt characters"] / max(1, totals["candidates"]),
        sample_prompt_characters=totals["sample prompt characters"] / totals["sample prompts"],
        sampled=totals["sampled queries"] / queries,
    )
