"""The LLM that the retriever is trained for, behind an OpenAI-compatible completion server such as vLLM or SGLang."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

from embedder.bounds import NonNegativeFloat, PositiveFloat, PositiveInt
from embedder.checks import check_types
from embedder.errors import ConfigError, EmbedderError
from embedder.llm.prompt_tokens import output_ids, prompt_ids, reads_otherwise_behind
from embedder.llm.sampled_outputs import check_sampling
from embedder.llm.server_client import Request, ServerClient
from embedder.llm.server_scores import Choice, choices_of, score_text, score_tokens, stopped_by, text_of, tokens_of
from embedder.llm.stop import cut_behind
from embedder.models.folder import load_tokenizer
from embedder.models.hub import local_folder
from embedder.models.packages import resolve_model
from embedder.shown import shown
from embedder.types import OutputScore

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_PROBE = ("The lighthouse was finished in 1783 and designed by", " Maren Tolvik")

_LISTED = 20  # models that an error names
_MOST_TOKENS = 2**40  # a larger count is nonsense

# Servers take what is not said here from the settings that come with a model, which often cut or bend the distribution.
_WHOLE_DISTRIBUTION = {
    "top_p": 1.0,
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


@dataclass(frozen=True, slots=True)
class _Pair:
    """A prompt with an output after it, as text or token ids, and how the score of the output is read."""

    sent: str | list[int]
    read: Callable[[Choice], OutputScore]


@dataclass(frozen=True)
class ServerLanguageModel:
    """Implements `embedder.types.LanguageModel` over HTTP; the server is asked on first use.

    With `tokenizer`, prompt and output are tokenised here and sent as token ids: the scores are those of
    `HuggingFaceLanguageModel` with the same weights. Without it, `prompt + output` is sent as text and tokenised by the
    server as one: where the tokens at the border would differ, the score does too, a token across the border is an
    error, no beginning-of-text token stands in front, which many models need, and what looks like a control token in a
    text is one.

    Every score is a request with the whole prompt; servers compute log-probabilities of a prompt anew even where they
    keep its cache.

    Args:
        name: The model, as the server lists it.
        url: Of the API, such as `http://127.0.0.1:8000/v1`.
        revision: What else tells the served weights apart: commit, precision, quantisation.
        tokenizer: Hub name, folder or `package:NAME/PATH` of the server's tokenizer; None sends text.
        prompts_per_request: Prompts in a request to score or to continue greedily; sampling sends one, with its seed.
        api_key_env, concurrency, timeout_seconds, attempts, backoff_seconds: See `ServerClient`.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    name: str
    url: str
    revision: str | None = None
    tokenizer: str | None = None
    prompts_per_request: PositiveInt = 1
    api_key_env: str | None = None
    concurrency: PositiveInt = 16
    timeout_seconds: PositiveFloat = 120.0
    attempts: PositiveInt = 8
    backoff_seconds: NonNegativeFloat = 1.0
    _usage: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise ConfigError("llm.name", "the name of a model that the server lists", self.name)
        self._make_client()  # it checks its own settings, of which two are not shown
        check_types(self, "llm")

    @cached_property
    def fingerprint(self) -> str:
        """`server:NAME@REVISION:tokens` or `...:text`, from the settings and the tokenizer; never the URL.

        Another host with the same model finds the same scores. Text and token ids are kept apart, since the tokens at
        the border may differ, and so are tokenizers of another name than the model, and those that read an output
        otherwise behind its prompt. The server is not asked.
        """
        form = "text" if self.tokenizer is None else "tokens"
        other = f"={self.tokenizer}" if self.tokenizer not in (None, self.name) else ""
        try:
            behind = ":behind" if self.tokenizer is not None and self._behind else ""
        except EmbedderError:  # a tokenizer that is not here yet; nothing can be scored without it
            behind = ""
        return f"server:{self.name}@{self.revision or 'unknown'}:{form}{other}{behind}"

    @property
    def tokens_run(self) -> int:
        """Tokens that the server says it has taken and written so far; 0 if it says nothing."""
        return self._usage["total_tokens"]

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether the LLM can read each prompt with so many tokens after it.

        True for all where the tokens are not counted here (no `tokenizer`), or where the server, unlike vLLM, does not
        list how many it reads (`max_model_len`).
        """
        sent = self._sent(prompts)
        if self.tokenizer is None or not prompts:
            return [True] * len(prompts)
        limit = self._max_tokens
        return [limit is None or len(tokens) + max_new_tokens <= limit for tokens in sent]

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihood of each of `outputs[i]` after `prompts[i]`, in the same order.

        Raises:
            ValueError: A prompt or an output has no tokens, or the numbers of prompts and lists of outputs differ.
            EmbedderError: The server failed for good, or does not return what scoring needs.
        """
        pairs = [
            self._pair(prompt, output)
            for prompt, some in zip(self._sent(prompts), self._sent_behind(prompts, outputs), strict=True)
            for output in some
        ]
        batches = _batches([pair.sent for pair in pairs], self.prompts_per_request)
        scores = self._in_order(batches, [self._scoring([pairs[k] for k in batch]) for batch in batches])
        return [[next(scores) for _ in some] for some in outputs]

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """The greedy continuation of each prompt up to an end token or behind the first of the `stop` texts, stripped.

        Servers cut in front of a stop text. vLLM and SGLang say which one it was; where a server does not, it is
        missing, as if the text had not been finished.

        Raises:
            ConfigError: `max_new_tokens` is not above 0.
            ValueError: A stop text is empty, or there is none.
            EmbedderError: The server failed for good.
        """
        sent = self._sent(prompts)
        batches = _batches(sent, self.prompts_per_request)
        requests = [
            self._writing([sent[k] for k in batch], 1, max_new_tokens, temperature=0.0, stop=stop) for batch in batches
        ]
        return [text for (text,) in self._in_order(batches, requests)]

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """What `generate` and `score` give for the same prompts, one after the other."""
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled continuations of each prompt, cut at a line break; one seed a prompt, whatever the batch.

        The seed goes out with its prompt; how far it fixes the samples is up to the server.

        Raises:
            ConfigError: The temperature is not above 0, or `n` is not.
            ValueError: There is not one seed for each prompt.
            EmbedderError: The server failed for good.
        """
        check_sampling(prompts, n, temperature, seeds)
        sent = self._sent(prompts)
        batches = _batches(sent, 1)
        requests = [self._writing([sent[k]], n, max_new_tokens, temperature, seeds[k]) for (k,) in batches]
        return list(self._in_order(batches, requests))

    def _in_order(self, batches: list[list[int]], requests: list[Request[list[Answer]]]) -> Iterator[Answer]:
        """Send the requests, each for one batch of places, and return the answers by place."""
        answers: dict[int, Answer] = {}
        if requests:
            for batch, some in zip(batches, self._client.send(requests), strict=True):
                answers.update(zip(batch, some, strict=True))
        return (answers[place] for place in range(len(answers)))

    def _scoring(self, pairs: Sequence[_Pair]) -> Request[list[OutputScore]]:
        def read(answer: Any) -> list[OutputScore]:
            self._count(answer)
            return [pair.read(choice) for pair, choice in zip(pairs, choices_of(answer, len(pairs)), strict=True)]

        # logprobs: SGLang takes 0 for "not those of the prompt". max_tokens: not every server takes 0.
        settings = {"echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0.0}
        return Request("completions", self._body([pair.sent for pair in pairs], settings), read)

    def _writing(
        self,
        prompts: Sequence[Any],
        n: int,
        max_new_tokens: int,
        temperature: float,
        seed: int | None = None,
        stop: Sequence[str] = ("\n",),
    ) -> Request[list[list[str]]]:
        if max_new_tokens < 1:
            raise ConfigError("max_new_tokens", "1 or more", max_new_tokens)

        def read(answer: Any) -> list[list[str]]:
            self._count(answer)
            choices = choices_of(answer, len(prompts) * n)
            texts = [cut_behind(text_of(choice) + stopped_by(choice, stop), stop).strip() for choice in choices]
            return [texts[i * n : (i + 1) * n] for i in range(len(prompts))]

        settings = {"n": n, "max_tokens": max_new_tokens, "temperature": temperature, "stop": list(stop)}
        if seed is not None:
            settings["seed"] = seed % 2**31  # some servers take 32 bits
        return Request("completions", self._body(prompts, settings | _WHOLE_DISTRIBUTION), read)

    def _count(self, answer: Any) -> None:
        usage = answer.get("usage") if isinstance(answer, dict) else None
        total = usage.get("total_tokens") if isinstance(usage, dict) else None
        self._usage["total_tokens"] += total if type(total) is int and 0 <= total < _MOST_TOKENS else 0

    def _body(self, prompts: Sequence[Any], settings: dict[str, Any]) -> dict[str, Any]:
        # A prompt is complete text. vLLM alone knows these two, and others ignore them.
        vllm = {"add_special_tokens": False, "return_tokens_as_token_ids": False}
        return {"model": self.name, "prompt": prompts[0] if len(prompts) == 1 else list(prompts), **settings, **vllm}

    def _pair(self, prompt: Any, output: Any) -> _Pair:
        if self.tokenizer is None:
            return _Pair(prompt + output, partial(score_text, prompt=prompt, output=output))
        return _Pair(prompt + output, partial(score_tokens, n_prompt=len(prompt), n_output=len(output)))

    def _sent(self, prompts: Sequence[str]) -> list[Any]:
        """What the server gets for each prompt: the text itself, or its token ids."""
        if self.tokenizer is not None:
            return list(prompt_ids(self._loaded_tokenizer, prompts)) if prompts else []
        return _not_empty(prompts, "prompt")

    def _sent_behind(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[Any]]:
        """What it gets for each of `outputs[i]`, behind `prompts[i]`."""
        if self.tokenizer is not None and prompts:
            return [list(some) for some in output_ids(self._loaded_tokenizer, prompts, outputs, behind=self._behind)]
        return [_not_empty(some, "output") for some in outputs]

    def _make_client(self) -> ServerClient:
        return ServerClient(
            self.url, self.api_key_env, self.concurrency, self.timeout_seconds, self.attempts, self.backoff_seconds
        )

    @cached_property
    def _client(self) -> ServerClient:
        """The client, once the server has been seen to serve the model and to score as is needed.

        A wrong tokenizer gives likelihoods that look like any others, so the tokens of a probe are compared.
        """
        client = self._make_client()
        client.send([Request("models", None, self._check_listed)])
        prompt, output = _PROBE
        pair = self._pair(self._sent([prompt])[0], self._sent_behind([prompt], [[output]])[0][0])
        probe = self._scoring([pair])

        def read(answer: Any) -> None:
            probe.read(answer)
            if self.tokenizer is not None:
                self._check_tokens(pair.sent, tokens_of(choices_of(answer, 1)[0]))

        client.send([Request(probe.path, probe.body, read)])
        logger.info("%s serves %s and scores prompts", self.url, self.name)
        if self.tokenizer is None:
            logger.warning("llm.tokenizer is not set: the server tokenises prompt and output as one text")
        return client

    def _check_listed(self, answer: Any) -> None:
        if self.name not in (listed := _listed(answer)):
            raise EmbedderError(
                f"the server does not list {self.name!r} (llm.name); it has: {_names(list(listed)) or '-'}"
            )

    @cached_property
    def _max_tokens(self) -> int | None:
        """What the LLM reads at most, where the server tells."""

        def read(answer: Any) -> int | None:
            limit = _listed(answer)[self.name].get("max_model_len")
            return limit if type(limit) is int and 0 < limit < _MOST_TOKENS else None

        return self._client.send([Request("models", None, read)])[0]

    def _check_tokens(self, sent: Sequence[Any], theirs: Sequence[str]) -> None:
        for token, text in zip(sent, theirs, strict=False):  # theirs may have the written token too
            ours = str(self._loaded_tokenizer.decode([token]))
            if _bare(ours) != _bare(text):
                raise EmbedderError(
                    f"token {token} is {text!r} for the server and {ours!r} for {self.tokenizer!r} (llm.tokenizer): "
                    f"name the tokenizer of {self.name!r}, or null to send text"
                )

    @cached_property
    def _loaded_tokenizer(self) -> Any:
        source = local_folder(resolve_model(str(self.tokenizer), "llm.tokenizer"), None, "llm.tokenizer", weights=False)
        return load_tokenizer(source, "llm.tokenizer", str(self.tokenizer), "null to send text, or a tokenizer")

    @cached_property
    def _behind(self) -> bool:
        return reads_otherwise_behind(self._loaded_tokenizer)


def _not_empty(texts: Sequence[str], what: str) -> list[Any]:
    for text in texts:
        if not text:
            raise ValueError(f"an empty {what} ({text!r}) has no log-likelihood and cannot be continued")
    return list(texts)


def _listed(answer: Any) -> dict[str, dict[str, Any]]:
    """What the server says of each model that it serves, by name."""
    models = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        raise EmbedderError("the answer has no list of models as `data`: is this an OpenAI-compatible server?")
    return {str(model.get("id")): model for model in models if isinstance(model, dict)}


def _names(models: Sequence[str]) -> str:
    """The first of them: some servers list thousands."""
    more = f" and {len(models) - _LISTED:,} more" if len(models) > _LISTED else ""
    return ", ".join(shown(name, 80) for name in models[:_LISTED]) + more


def _batches(sent: Sequence[Any], size: int) -> list[list[int]]:
    """Places in batches, sorted by what is sent: what shares a prefix goes out next to each other."""
    order = sorted(range(len(sent)), key=sent.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]


def _bare(token: str) -> str:
    """A token's text without what servers show differently: spaces and the marks that stand for them."""
    return token.replace("\N{LOWER ONE EIGHTH BLOCK}", "").replace("Ġ", "").strip()
