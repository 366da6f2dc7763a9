"""The LLM that the retriever is trained for, behind an OpenAI-compatible completion server such as vLLM or SGLang."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from embedder.bounds import PositiveInt
from embedder.errors import ConfigError, EmbedderError
from embedder.llm.continuation import check_sampling
from embedder.llm.server.client import Request, ServerClient
from embedder.llm.server.requests import Completions
from embedder.llm.server.scores import choices_of, tokens_of
from embedder.llm.server.settings import ServedModel
from embedder.llm.server.texts import ServerTexts
from embedder.types import OutputScore

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_PROBE = ("The lighthouse was finished in 1783 and designed by", " Maren Tolvik")


@dataclass(frozen=True)
class ServerLanguageModel(ServedModel):
    """Implements `embedder.types.LanguageModel` over HTTP; the first request is sent on first use.

    With `tokenizer`, prompt and output are tokenised here and sent as token ids: the scores are those of
    `HuggingFaceLanguageModel` with the same weights. Without it, `prompt + output` is sent as text and tokenised by the
    server as one: where the tokens at the border would differ, the score does too, a token across the border is an
    error, no beginning-of-text token stands in front, which many models need, and what looks like a control token in a
    text is one.

    Every score is a request with the whole prompt; servers compute log-probabilities of a prompt again even where they
    keep its cache.

    Args:
        tokenizer: Hub name, folder or `package:NAME/PATH` of the server's tokenizer; None sends text.
        chat: Whether prompts are shown by the chat template of `tokenizer`, which it needs.
        prompts_per_request: Prompts in a request to score or to continue greedily; sampling sends one, with its seed.
        name, revision, url, ...: See `ServedModel`.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    tokenizer: str | None = None
    chat: bool = False
    prompts_per_request: PositiveInt = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chat and self.tokenizer is None:
            expected = "false without llm.tokenizer, whose template it applies (llm=chat leaves that to the server)"
            raise ConfigError("llm.chat", expected, self.chat)

    @cached_property
    def fingerprint(self) -> str:
        """`server:NAME@REVISION:tokens` or `...:text`, from the settings and the tokenizer; never the URL.

        Another host with the same model finds the same scores. Text and token ids are kept apart, since the tokens at
        the border may differ, and so are tokenizers of another name than the model, and those that read an output
        otherwise behind its prompt. No request is sent.
        """
        form = "text" if self.tokenizer is None else "tokens"
        other = f"={self.tokenizer}" if self.tokenizer not in (None, self.name) else ""
        try:
            behind = "" if self.tokenizer is None else self._texts.reader.mark
        except EmbedderError:  # a tokenizer that is not here yet; nothing can be scored without it
            behind = ""
        return f"server:{self.name}@{self.revision or 'unknown'}:{form}{other}{behind}"

    @property
    def tokens_run(self) -> int:
        """See `LanguageModel`; as the server says, 0 if it says nothing."""
        return self._completions.total_tokens

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """See `LanguageModel`.

        True for all where the tokens are not counted here (no `tokenizer`), or where the server, unlike vLLM, does not
        list how many it reads (`max_model_len`).
        """
        sent = self._texts.prompts(prompts)
        if self.tokenizer is None or not prompts:
            return [True] * len(prompts)
        limit = self._max_tokens
        return [limit is None or len(tokens) + max_new_tokens <= limit for tokens in sent]

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """See `LanguageModel`."""
        pairs = self._texts.pairs(prompts, outputs)
        batches = _batches([pair.sent for pair in pairs], self.prompts_per_request)
        requests = [self._completions.scoring([pairs[k] for k in batch]) for batch in batches]
        scores = self._in_order(batches, requests)
        return [[next(scores) for _ in own] for own in outputs]

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """See `LanguageModel`.

        Servers cut in front of a stop text. vLLM and SGLang say which one it was; where a server does not, it is
        missing, as if the text had not been finished.
        """
        sent = self._texts.prompts(prompts)
        batches = _batches(sent, self.prompts_per_request)
        requests = [
            self._completions.writing([sent[k] for k in batch], 1, max_new_tokens, temperature=0.0, stop=stop)
            for batch in batches
        ]
        return [text for (text,) in self._in_order(batches, requests)]

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """See `LanguageModel`; one after the other."""
        return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """See `LanguageModel`; how far the seed of a prompt fixes its samples is up to the server."""
        check_sampling(prompts, n, temperature, seeds)
        sent = self._texts.prompts(prompts)
        batches = _batches(sent, 1)
        requests = [
            self._completions.writing([sent[k]], n, max_new_tokens, temperature=temperature, seed=seeds[k])
            for (k,) in batches
        ]
        return list(self._in_order(batches, requests))

    def _in_order(self, batches: list[list[int]], requests: list[Request[list[Answer]]]) -> Iterator[Answer]:
        """Send the requests, each for one batch of positions, and return the answers by position."""
        answers: dict[int, Answer] = {}
        if requests:
            for batch, batch_answers in zip(batches, self._client.send(requests), strict=True):
                answers.update(zip(batch, batch_answers, strict=True))
        return (answers[position] for position in range(len(answers)))

    @cached_property
    def _texts(self) -> ServerTexts:
        return ServerTexts(self.tokenizer, chat=self.chat)

    @cached_property
    def _completions(self) -> Completions:
        return Completions(self.name)

    @cached_property
    def _client(self) -> ServerClient:
        """The client, once the server has been seen to serve the model and to score as is needed."""
        client = ServerClient(self)
        client.send([self._completions.check_listed()])
        prompt, output = _PROBE
        (pair,) = self._texts.pairs([prompt], [[output]])
        probe = self._completions.scoring([pair])

        def read(answer: Any) -> None:
            probe.read(answer)
            if self.tokenizer is not None:
                self._texts.check_tokens(list(pair.sent), tokens_of(choices_of(answer, 1)[0]), self.name)

        client.send([Request(probe.path, probe.body, read)])
        logger.info("%s serves %s and scores prompts", self.url, self.name)
        if self.tokenizer is None:
            logger.warning("llm.tokenizer is not set: the server tokenises prompt and output as one text")
        return client

    @cached_property
    def _max_tokens(self) -> int | None:
        """Most tokens that the LLM reads, if the server says so."""
        return self._client.send([self._completions.max_tokens()])[0]


def _batches(sent: Sequence[Any], size: int) -> list[list[int]]:
    """Positions in batches, sorted by what is sent: what shares a prefix goes out next to each other."""
    order = sorted(range(len(sent)), key=sent.__getitem__)
    return [order[start : start + size] for start in range(0, len(order), size)]
