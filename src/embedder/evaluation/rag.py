"""Single-shot retrieval-augmented answering: retrieve, show the keys to the LLM, compare its answer with the gold."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from embedder.data.prompts import Prompt
from embedder.errors import ConfigError, check_types
from embedder.metrics.text import exact_match, f1
from embedder.types import KeyStore, LanguageModel, Query, Ranking


@dataclass(frozen=True)
class RagSettings:
    """How answers are made.

    Args:
        top_k: Keys shown to the LLM.
        max_queries: At most so many queries are answered, chosen by a hash of their ids; None for all.
        max_new_tokens: Length of an answer.
    """

    top_k: int = 3
    max_queries: int | None = None
    max_new_tokens: int = 16

    def __post_init__(self) -> None:
        check_types(self, "rag")
        if self.top_k < 1:
            raise ConfigError("rag.top_k", "1 or more", self.top_k)
        if self.max_queries is not None and self.max_queries < 1:
            raise ConfigError("rag.max_queries", "1 or more, or null for all", self.max_queries)


@dataclass(frozen=True)
class RagResult:
    """Answers and their scores, by query id.

    Args:
        answers: What the LLM wrote.
        em: Exact match of it.
        f1: F1 of it.
        log_likelihood: Of the best gold answer after the same prompt, in nats a token. A small LLM answers few
            questions exactly, and this tells retrievers apart where exact match cannot.
    """

    answers: dict[str, str]
    em: dict[str, float]
    f1: dict[str, float]
    log_likelihood: dict[str, float]

    @property
    def per_query(self) -> dict[str, dict[str, float]]:
        """The value of every query, by metric."""
        return {"em": self.em, "f1": self.f1, "log_likelihood": self.log_likelihood}

    @property
    def mean(self) -> dict[str, float]:
        """Means over queries."""
        return {metric: fmean(values.values()) for metric, values in self.per_query.items()}


def single_shot(
    queries: Sequence[Query],
    rankings: Sequence[Ranking],
    corpus: KeyStore,
    language_model: LanguageModel,
    prompt: Prompt,
    settings: RagSettings,
) -> RagResult:
    """Answer every query once with its best keys in the prompt.

    Source: Zhang et al., ACL 2024 (arXiv 2310.07554); exact match and F1 of SQuAD, maximum over the gold answers.

    Args:
        queries: Queries with answers.
        rankings: One for each; an empty one asks without retrieval.
        corpus: Where the keys are.
        language_model: Answers greedily.
        prompt: How keys and question are shown; the same as in labelling.
        settings: How many keys, how long an answer.
    """
    prompts = []
    for query, ranking in zip(queries, rankings, strict=True):
        keys = [corpus[corpus.position(key_id)].text for key_id in ranking.key_ids[: settings.top_k]]
        prompts.append(prompt.render(query.text, keys))
    written = language_model.generate(prompts, settings.max_new_tokens)
    outputs = [[prompt.output(answer) for answer in query.answers if answer.strip()] for query in queries]
    gold = language_model.score(prompts, outputs)
    pairs = list(zip(queries, written, strict=True))
    return RagResult(
        answers={query.id: answer for query, answer in pairs},
        em={query.id: float(exact_match(answer, query.answers)) for query, answer in pairs},
        f1={query.id: f1(answer, query.answers) for query, answer in pairs},
        log_likelihood={
            query.id: max(score.mean_logprob for score in scores) for query, scores in zip(queries, gold, strict=True)
        },
    )
