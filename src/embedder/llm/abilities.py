"""What an LLM can be asked for: all of them write, and most give log-likelihoods."""

import gc

import torch

from embedder.types import LanguageModel

NEEDS_LIKELIHOODS = (
    "llm.top_logprobs=20 where the chat server lists `top_logprobs` (vLLM, SGLang, llama.cpp, Ollama), or an LLM that "
    "scores prompts: a local one, or llm=server with vLLM or SGLang"
)


def writes_only(language_model: LanguageModel) -> bool:
    """Whether an LLM gives no log-likelihoods, which it says by an attribute `writes_only`."""
    return bool(getattr(language_model, "writes_only", False))


def cannot_reward(language_model: LanguageModel) -> bool:
    """Whether an LLM gives no log-likelihoods for rewards either, which may be estimates: see `llm.top_logprobs`."""
    return writes_only(language_model) and not estimates(language_model)


def written_to_score(language_model: LanguageModel) -> int:
    """Tokens that an LLM writes to score the outputs of one prompt, at most; 0 for one that reads the outputs."""
    return int(getattr(language_model, "written_to_score", 0)) if estimates(language_model) else 0


def estimates(language_model: LanguageModel) -> bool:
    """Whether its log-likelihoods are estimates from listed tokens, where all outputs that are not listed tie."""
    return bool(getattr(language_model, "top_logprobs", 0))


def runs_here(language_model: LanguageModel) -> bool:
    """Whether it runs in this process, on a device: what is in a batch changes the last bits of its numbers."""
    return getattr(language_model, "device", None) is not None


def release(language_model: LanguageModel) -> None:
    """Give back the memory of an LLM that runs in this process; it is loaded again when it is needed again."""
    getattr(language_model, "release", lambda: None)()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
