"""Paired measures of the same prompt: they show differences where a small LLM answers few questions exactly."""

from collections.abc import Mapping, Sequence

import numpy as np

from embedder.consumers.consumer import Outcome
from embedder.data.prompts import Prompt, for_query
from embedder.llm.abilities import writes_only
from embedder.rewards.maths import rank
from embedder.rewards.requests import LabelRequest, choose_outputs, lead_of
from embedder.rewards.sampled_outputs import OutputSettings, warn_of_few
from embedder.types import LanguageModel, Query

_RIGHT = ("accuracy", "em")
"""What says whether an answer is right, the first that a query has."""


def sample_competitors(
    queries: Sequence[Query], settings: OutputSettings | None, language_model: LanguageModel, prompt: Prompt
) -> list[tuple[str, ...]]:
    """Distinct wrong outputs of each query that the LLM samples without retrieval, as they stand after a prompt.

    Args:
        queries: Each with an answer.
        settings: How they are sampled; None for no competitors, which an LLM without log-likelihoods has not either.
        language_model: Samples.
        prompt: How a query is shown.
    """
    if settings is None or writes_only(language_model):
        return [() for _ in queries]
    requests = [
        LabelRequest(
            prompt=for_query(prompt, query).render(query.text),
            candidate_prompts=(),
            answers=query.answers,
            lead=lead_of(prompt.output),
        )
        for query in queries
    ]
    sampled = [outputs.competitors for outputs in choose_outputs(requests, settings, language_model.sample)]
    warn_of_few(sampled, settings.n_outputs)
    return sampled


def measured(
    outcomes: Sequence[Outcome], competitors: Sequence[tuple[str, ...]], language_model: LanguageModel
) -> list[dict[str, float]]:
    """Log-likelihood and rank of the best gold answer of each outcome, beside its own scores.

        log_likelihood = max over gold answers of log p(answer | prompt) / tokens
        rank = 1 + number of competitors that are likelier a token

    Args:
        outcomes: The result of each query.
        competitors: Sampled outputs of each, for the outcomes that bring none.
        language_model: Scores what stands after a prompt.

    Returns:
        Metric -> value of each query; `rank` only where there are competitors, and neither where there is no gold text
        or the LLM gives no log-likelihoods.
    """
    if writes_only(language_model):
        return [dict(outcome.scores) for outcome in outcomes]
    rivals = [
        sampled if outcome.competitors is None else outcome.competitors
        for outcome, sampled in zip(outcomes, competitors, strict=True)
    ]
    outputs = [[*outcome.gold, *others] for outcome, others in zip(outcomes, rivals, strict=True)]
    scored = language_model.score([outcome.prompt for outcome in outcomes], outputs)
    found = []
    for outcome, scores in zip(outcomes, scored, strict=True):
        if not outcome.gold:
            found.append(dict(outcome.scores))
            continue
        values = np.array([score.mean_logprob for score in scores], dtype=np.float64)
        desired, others = values[: len(outcome.gold)].max(), values[len(outcome.gold) :]
        own = outcome.scores | {"log_likelihood": float(desired)}
        found.append(own | ({"rank": float(rank(desired, others))} if len(others) else {}))
    return found


def against_alone(scores: Mapping[str, float], alone: Mapping[str, float]) -> dict[str, float]:
    """What retrieval changed for one query.

        gain = log_likelihood - log_likelihood without retrieval
        harm = 1 where the LLM is right alone and wrong with retrieval, otherwise 0
        mended = 1 where it is wrong alone and right with retrieval, otherwise 0

    Args:
        scores: Of the query with retrieval.
        alone: Of the query without retrieval.

    Returns:
        `gain` where there are log-likelihoods, and `harm` and `mended` where answers are right or wrong.
    """
    changed = {}
    if "log_likelihood" in scores:
        changed["gain"] = scores["log_likelihood"] - alone["log_likelihood"]
    if (right := next((metric for metric in _RIGHT if metric in scores), None)) is not None:
        changed["harm"] = float(alone[right] == 1.0 and scores[right] == 0.0)
        changed["mended"] = float(alone[right] == 0.0 and scores[right] == 1.0)
    return changed
