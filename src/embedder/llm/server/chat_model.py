"""An LLM behind a chat server: it writes, and gives no log-likelihoods of a text that it is sent."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from embedder.errors import ConfigError, EmbedderError
from embedder.identity import identity
from embedder.llm.abilities import NEEDS_LIKELIHOODS
from embedder.llm.continuation import check_sampling, cut_behind
from embedder.llm.server.chat_requests import ChatAnswer, ChatRequests, Form
from embedder.llm.server.client import Request, ServerClient
from embedder.llm.server.requests import not_listed
from embedder.llm.server.settings import ServerSettings
from embedder.types import OutputScore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChatLanguageModel(ServerSettings):
    """Implements `embedder.types.LanguageModel` over `/v1/chat/completions` or Ollama's `/api/chat`.

    A prompt is sent as one message of the user, few-shot examples and all: the text is the same as for an LLM that
    scores it, for any task, and the server applies the chat template of the model, once. The text of the assistant is
    the answer. It is cut here, at a line break as a rule, so up to `max_new_tokens` are paid for.

    Every answer is a request of its own, also of several samples of a prompt: not every server takes `n`. The first
    request is sent on first use.

    Args:
        name: The model, as the server lists it. A server that lists none, or that loads a folder by its path as
            `transformers serve` does, is believed if it answers a short prompt.
        revision: What else identifies the served weights: commit, precision, quantisation.
        form: `openai` for `/v1/chat/completions`; `ollama` for `/api/chat`, where `url` has no `/v1`.
        extra: Further fields of every request, such as `{options: {num_ctx: 8192}}` for Ollama, which cuts longer
            prompts without a word, or `{chat_template_kwargs: {enable_thinking: false}}`; part of the store's
            addresses.
        url, api_key_env, concurrency, timeout_seconds, attempts, backoff_seconds: See `ServerSettings`.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    name: str
    revision: str | None = None
    form: Form = "openai"
    extra: Mapping[str, Any] = field(default_factory=dict)
    writes_only = True  # see `embedder.llm.abilities`

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("llm.name", "the name of a model that the server lists", self.name)
        super().__post_init__()
        if taken := sorted({"model", "messages", "stream", "n"} & set(self.extra)):
            raise ConfigError("llm.extra", "fields beside those that are set here", ", ".join(taken))
        object.__setattr__(self, "extra", _plain(self.extra))

    @property
    def fingerprint(self) -> str:
        """`server:NAME@REVISION:chat`, and a digest of what `extra` adds; never the URL. No request is sent."""
        extra = f"={identity(extra=self.extra)[:10]}" if self.extra else ""
        return f"server:{self.name}@{self.revision or 'unknown'}:chat{extra}"

    @property
    def tokens_run(self) -> int:
        """Tokens that the server says it has read and written so far; 0 if it says nothing."""
        return self._tokens.total()

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """True for all: tokens are not counted here."""
        return [True] * len(prompts)

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Never gives a score.

        Raises:
            ConfigError: Something is to be scored.
        """
        if any(outputs):
            raise ConfigError("llm", NEEDS_LIKELIHOODS, f"a chat server ({self.name})")
        return [[] for _ in prompts]

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """The answer to each prompt at temperature 0, up to and with the first of the `stop` texts, stripped.

        White space in front of an answer is no part of it.

        Raises:
            ConfigError: `max_new_tokens` is not above 0.
            ValueError: A stop text is empty, or there is none, or a prompt is empty.
            EmbedderError: The server failed for good.
        """
        return self._write([(prompt, None) for prompt in prompts], max_new_tokens, 0.0, stop)

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """What `generate` gives; `outputs` must be empty."""
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled answers to each prompt, cut at a line break; sample k has the seed of its prompt + k.

        Raises:
            ConfigError: The temperature is not above 0, or `n` is not.
            ValueError: There is not one seed for each prompt.
            EmbedderError: The server failed for good.
        """
        check_sampling(prompts, n, temperature, seeds)
        asked = [(prompt, seed + k) for prompt, seed in zip(prompts, seeds, strict=True) for k in range(n)]
        texts = self._write(asked, max_new_tokens, temperature, ("\n",))
        return [texts[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _write(
        self, asked: Sequence[tuple[str, int | None]], max_new_tokens: int, temperature: float, stop: Sequence[str]
    ) -> list[str]:
        if not all(prompt.strip() for prompt, _ in asked):
            raise ValueError("an empty prompt cannot be answered")
        if not asked:
            return []
        client, requests = self._opened
        answers = client.send(requests.writing(text, max_new_tokens, temperature, seed) for text, seed in asked)
        self._count(answers)
        return [cut_behind(answer.text.lstrip(), stop).strip() for answer in answers]

    def _count(self, answers: Sequence[ChatAnswer]) -> None:
        self._tokens["run"] += sum(answer.n_tokens for answer in answers)

    @cached_property
    def _tokens(self) -> Counter[str]:
        return Counter()

    @cached_property
    def _opened(self) -> tuple[ServerClient, ChatRequests]:
        """The client and the requests that the server takes, once it has been seen to answer."""
        client, requests = ServerClient(self), ChatRequests(self.name, self.form, self.extra)
        # What loads a folder by its path lists none; without a cache of the hub, `transformers serve` fails to list.
        by_path = self.name.startswith(("/", "."))
        listed = [] if by_path else client.send([requests.listing()])[0]
        if self.name not in listed and listed:
            raise EmbedderError(f"{self.url}: {not_listed(self.name, listed)}")
        try:
            self._count(client.send([_probe(requests)]))
        except EmbedderError:  # a field that this server does not know, or a real fault, which the next probe meets too
            requests = ChatRequests(self.name, self.form, self.extra, plain=True)
            self._count(client.send([_probe(requests)]))
        logger.info(
            "%s answers chats as %s%s; it gives no log-likelihoods of a text that it is sent%s",
            self.url,
            self.name,
            "" if self.name in listed else ", which it does not list",
            "; it refuses top_k, min_p and penalties, so that samples follow its own settings"
            if requests.plain
            else "",
        )
        return client, requests


def _probe(requests: ChatRequests) -> Request[ChatAnswer]:
    return requests.writing("Say yes.", 1, 0.0, seed=1)


def _plain(value: Any) -> Any:
    """Mappings and lists of Hydra as plain ones, which JSON takes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    return value if isinstance(value, str) or not isinstance(value, Sequence) else [_plain(own) for own in value]
