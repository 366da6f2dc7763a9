"""An LLM behind a chat server: it writes, and gives no log-likelihoods of a text that it is sent, but estimates."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from embedder.bounds import NonNegativeInt
from embedder.errors import ConfigError, EmbedderError
from embedder.identity import identity
from embedder.llm.abilities import NEEDS_LIKELIHOODS
from embedder.llm.continuation import check_sampling, cut_behind
from embedder.llm.server.chat_requests import ChatAnswer, ChatRequests, Form
from embedder.llm.server.client import Request, ServerClient
from embedder.llm.server.requests import not_listed
from embedder.llm.server.settings import ServedModel
from embedder.llm.server.top_logprobs import RULE
from embedder.types import OutputScore

logger = logging.getLogger(__name__)

_SCORED_TOKENS = 16  # of an answer that outputs are scored by; what differs first decides


@dataclass(frozen=True)
class ChatLanguageModel(ServedModel):
    """Implements `embedder.types.LanguageModel` over `/v1/chat/completions` or Ollama's `/api/chat`.

    A prompt is sent as one message of the user, few-shot examples and all: the text is the same as for an LLM that
    scores it, for any task, and the server applies the chat template of the model, once. The text of the assistant is
    the answer. It is cut here, at a line break as a rule, so up to `max_new_tokens` are paid for.

    Every answer is a request of its own, also of several samples of a prompt: not every server takes `n`. The first
    request is sent on first use.

    Args:
        name, revision, url, ...: See `ServedModel`. A server that lists no model, or that loads a folder by its path as
            `transformers serve` does, is believed if it answers a short prompt.
        form: `openai` for `/v1/chat/completions`; `ollama` for `/api/chat`, where `url` has no `/v1`.
        extra: Further fields of every request, such as `{options: {num_ctx: 8192}}` for Ollama, which cuts longer
            prompts without a word, or `{chat_template_kwargs: {enable_thinking: false}}`; part of the store's
            addresses.
        top_logprobs: Likeliest tokens that the server lists at each position that it writes, from which log-likelihoods
            are estimated for rewards, see `estimate`; most servers list 20 at most. 0 for none.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    form: Form = "openai"
    extra: Mapping[str, Any] = field(default_factory=dict)
    top_logprobs: NonNegativeInt = 0
    writes_only = True  # see `embedder.llm.abilities`, and `written_to_score`
    written_to_score = _SCORED_TOKENS

    def __post_init__(self) -> None:
        super().__post_init__()
        if taken := sorted({"model", "messages", "stream", "n"} & set(self.extra)):
            raise ConfigError("llm.extra", "fields beside those that are set here", ", ".join(taken))
        object.__setattr__(self, "extra", _plain(self.extra))

    @property
    def fingerprint(self) -> str:
        """`server:NAME@REVISION:chat`, with how it estimates and a digest of what `extra` adds; no URL, no request."""
        top = f":top{self.top_logprobs}x{_SCORED_TOKENS}v{RULE}" if self.top_logprobs else ""
        extra = f"={identity(extra=self.extra)[:10]}" if self.extra else ""
        return f"server:{self.name}@{self.revision or 'unknown'}:chat{top}{extra}"

    @property
    def tokens_run(self) -> int:
        """See `LanguageModel`; as the server says, 0 if it says nothing."""
        return self._tokens.total()

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """True for all: tokens are not counted here."""
        return [True] * len(prompts)

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihoods estimated from one greedy answer to each prompt, see `estimate`.

        Raises:
            ConfigError: Something is to be scored without `top_logprobs`.
        """
        if any(outputs) and not self.top_logprobs:
            raise ConfigError("llm", NEEDS_LIKELIHOODS, f"a chat server ({self.name}) without llm.top_logprobs")
        asked = [(prompt, None, own) for prompt, own in zip(prompts, outputs, strict=True) if own]
        answers = iter(self._answers(asked, _SCORED_TOKENS, 0.0))
        return [next(answers).scores if own else [] for own in outputs]

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """See `LanguageModel`; white space in front of an answer is dropped before it is cut."""
        answers = self._answers([(prompt, None, ()) for prompt in prompts], max_new_tokens, 0.0)
        return [cut_behind(answer.text.lstrip(), stop).strip() for answer in answers]

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """See `LanguageModel`; one after the other."""
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """See `LanguageModel`; sample k has the seed of its prompt + k."""
        check_sampling(prompts, n, temperature, seeds)
        asked = [(prompt, seed + k, ()) for prompt, seed in zip(prompts, seeds, strict=True) for k in range(n)]
        answers = self._answers(asked, max_new_tokens, temperature)
        texts = [cut_behind(answer.text.lstrip(), ("\n",)).strip() for answer in answers]
        return [texts[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _answers(
        self, asked: Sequence[tuple[str, int | None, Sequence[str]]], max_new_tokens: int, temperature: float
    ) -> list[ChatAnswer]:
        """Answers to prompts, each with its seed and with the outputs to be scored."""
        if not all(prompt.strip() for prompt, _, _ in asked):
            raise ValueError("an empty prompt cannot be answered")
        if not asked:
            return []
        client, requests = self._opened
        answers = client.send(
            requests.writing(prompt, max_new_tokens, temperature, seed, own) for prompt, seed, own in asked
        )
        self._count(answers)
        return answers

    def _count(self, answers: Sequence[ChatAnswer]) -> None:
        self._tokens["run"] += sum(answer.n_tokens for answer in answers)

    @cached_property
    def _tokens(self) -> Counter[str]:
        return Counter()

    @cached_property
    def _opened(self) -> tuple[ServerClient, ChatRequests]:
        """The client and the requests that the server takes, once it has been seen to answer."""
        client = ServerClient(self)
        requests = ChatRequests(self.name, self.form, self.extra, self.top_logprobs)
        # What loads a folder by its path lists none; without a cache of the hub, `transformers serve` fails to list.
        by_path = self.name.startswith(("/", "."))
        listed = [] if by_path else client.send([requests.listing()])[0]
        if self.name not in listed and listed:
            raise EmbedderError(f"{self.url}: {not_listed(self.name, listed)}")
        try:
            self._count(client.send([_probe(requests)]))
        except EmbedderError:  # a field that this server does not know, or a real fault, which the next probe meets too
            requests = replace(requests, plain=True)
            self._count(client.send([_probe(requests)]))
        logger.info(
            "%s answers chats as %s%s; it gives no log-likelihoods of a text that it is sent%s%s",
            self.url,
            self.name,
            "" if self.name in listed else ", which it does not list",
            ": they are estimated from its top-logprobs" if self.top_logprobs else "",
            "; it refuses top_k, min_p and penalties, so that samples follow its own settings"
            if requests.plain
            else "",
        )
        return client, requests


def _probe(requests: ChatRequests) -> Request[ChatAnswer]:
    return requests.writing("Say yes.", 1, 0.0, 1, ["yes"] if requests.top_logprobs else [])


def _plain(value: Any) -> Any:
    """Mappings and lists of Hydra as plain ones, which JSON takes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    return value if isinstance(value, str) or not isinstance(value, Sequence) else [_plain(own) for own in value]
