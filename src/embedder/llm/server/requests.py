"""Requests to a completion server: to score, to write, to list its models; each with how its answer is read."""

from collections.abc import Sequence
from typing import Any

from embedder.errors import EmbedderError
from embedder.llm.continuation import check_length, cut_behind
from embedder.llm.server.client import Request
from embedder.llm.server.scores import choices_of, stopped_by, text_of
from embedder.llm.server.texts import Pair
from embedder.shown import shown
from embedder.types import OutputScore

_LISTED = 20  # models that an error names
_MOST_TOKENS = 2**40  # a larger count is nonsense

# Servers take what is not said here from the settings that come with a model, which often cut or bend the distribution.
WHOLE_DISTRIBUTION = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


class Completions:
    """Makes the requests for one model, and counts the tokens that the answers report.

    Args:
        model: As the server lists it.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self.total_tokens = 0

    def scoring(self, pairs: Sequence[Pair]) -> Request[list[OutputScore]]:
        """Score the output of each pair."""

        def read(answer: Any) -> list[OutputScore]:
            self.total_tokens += total_tokens(answer)
            return [pair.read(choice) for pair, choice in zip(pairs, choices_of(answer, len(pairs)), strict=True)]

        # logprobs: SGLang takes 0 for "not those of the prompt". max_tokens: not every server takes 0.
        settings = {"echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0.0}
        return Request("completions", self._body([pair.sent for pair in pairs], settings), read)

    def writing(
        self,
        prompts: Sequence[Any],
        n: int,
        max_new_tokens: int,
        *,
        temperature: float,
        seed: int | None = None,
        stop: Sequence[str] = ("\n",),
    ) -> Request[list[list[str]]]:
        """Continue each prompt `n` times.

        Raises:
            ConfigError: `max_new_tokens` is not above 0.
        """
        check_length(max_new_tokens)

        def read(answer: Any) -> list[list[str]]:
            self.total_tokens += total_tokens(answer)
            choices = choices_of(answer, len(prompts) * n)
            texts = [cut_behind(text_of(choice) + stopped_by(choice, stop), stop).strip() for choice in choices]
            return [texts[i * n : (i + 1) * n] for i in range(len(prompts))]

        settings = {"n": n, "max_tokens": max_new_tokens, "temperature": temperature, "stop": list(stop)}
        if seed is not None:
            settings["seed"] = seed % 2**31  # some servers take 32 bits
        return Request("completions", self._body(prompts, settings | WHOLE_DISTRIBUTION), read)

    def check_listed(self) -> Request[None]:
        """Refuse a server that does not serve the model; its answer raises EmbedderError."""

        def read(answer: Any) -> None:
            if self._model not in (listed := listed_models(answer)):
                raise not_listed(self._model, list(listed))

        return Request("models", None, read)

    def max_tokens(self) -> Request[int | None]:
        """What the model reads at most; None where the server, unlike vLLM, does not list it."""

        def read(answer: Any) -> int | None:
            limit = listed_models(answer)[self._model].get("max_model_len")
            return limit if type(limit) is int and 0 < limit < _MOST_TOKENS else None

        return Request("models", None, read)

    def _body(self, prompts: Sequence[Any], settings: dict[str, Any]) -> dict[str, Any]:
        # A prompt is complete text. vLLM alone knows these two, and others ignore them.
        vllm = {"add_special_tokens": False, "return_tokens_as_token_ids": False}
        return {"model": self._model, "prompt": prompts[0] if len(prompts) == 1 else list(prompts), **settings, **vllm}


def listed_models(answer: Any) -> dict[str, dict[str, Any]]:
    """What the server says of each model that it serves, by name."""
    models = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise EmbedderError("the answer has no list of models as `data`: is this an OpenAI-compatible server?")
    return {str(model.get("id")): model for model in models if isinstance(model, dict)}


def total_tokens(answer: Any) -> int:
    """Tokens that the server says it has read and written for an answer; 0 if it says nothing."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    return count_of(usage.get("total_tokens")) if isinstance(usage, dict) else 0


def count_of(tokens: Any) -> int:
    """A number of tokens that a server tells; 0 for what can be none."""
    return tokens if type(tokens) is int and 0 <= tokens < _MOST_TOKENS else 0


def not_listed(model: str, listed: Sequence[str]) -> EmbedderError:
    """What is raised where a server does not list the model."""
    return EmbedderError(f"the server does not list {model!r} (llm.name); it has: {_names(listed) or '-'}")


def _names(models: Sequence[str]) -> str:
    """The first of them: some servers list thousands."""
    more = f" and {len(models) - _LISTED:,} more" if len(models) > _LISTED else ""
    return ", ".join(shown(name, 80) for name in models[:_LISTED]) + more


def only_model() -> Request[str]:
    """The one model that a server lists; of another number of them its answer raises EmbedderError."""

    def read(answer: Any) -> str:
        models = list(listed_models(answer))
        if len(models) != 1:
            listed = _names(models) or "-"
            raise EmbedderError(f"which model is meant? The server lists: {listed}; --model NAME (llm.name) says it")
        return models[0]

    return Request("models", None, read)
