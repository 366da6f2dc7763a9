"""What an LLM can be asked for: all of them write, and most give log-likelihoods."""

from embedder.types import LanguageModel

NEEDS_LIKELIHOODS = (
    "an LLM that gives log-likelihoods: a local one, or llm=server for a server whose /v1/completions answers "
    "`echo: true, logprobs: 1` with the log-probabilities of the prompt (vLLM, SGLang)"
)


def writes_only(language_model: LanguageModel) -> bool:
    """Whether an LLM gives no log-likelihoods, which it says by an attribute `writes_only`."""
    return bool(getattr(language_model, "writes_only", False))
