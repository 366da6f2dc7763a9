"""The LLM that the retriever is trained for: a Hugging Face causal model that scores and writes outputs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from embedder.checks import checked
from embedder.errors import EmbedderError, PromptTooLongError
from embedder.llm.continuation import check_length, check_sampling, cut_behind
from embedder.llm.decoding import Choose, Writing, greedy, sampler, write
from embedder.llm.local_model import LocalModel, LocalSettings
from embedder.llm.packed_masks import attending_by
from embedder.llm.packed_scoring import score_and_write, score_packed
from embedder.llm.prompt_tokens import prompt_ids
from embedder.llm.row_scoring import TokenisedRequest, score_in_rows
from embedder.llm.shared_prefix import can_share
from embedder.types import OutputScore

_CPU_TOKENS = 1024  # on a CPU larger batches gain nothing, and rows of unlike length waste more on padding
_LINE = ("\n",)
_WRITING = 2  # times as many tokens in the cache: each step reads all weights for a token of every row


@checked("llm")
@dataclass(eq=False)
class HuggingFaceLanguageModel(LocalSettings):
    """Implements `embedder.types.LanguageModel`; weights are loaded on first use, code from the hub is never run.

    Args:
        name, revision, ...: See `LocalSettings`.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    _tokens_run: int = field(default=0, init=False, repr=False)

    @cached_property
    def _local(self) -> LocalModel:
        return LocalModel(self)

    def __getstate__(self) -> dict[str, Any]:
        """The settings: a process that gets a copy opens the model itself."""
        return {name: value for name, value in vars(self).items() if name != "_local"}

    def release(self) -> None:
        """Give back the memory of the weights; the next use loads them again."""
        if "_local" in vars(self):
            vars(self._local).pop("model", None)

    @property
    def fingerprint(self) -> str:
        """Identifies weights, tokenizer, precision and how outputs are read, without loading the model."""
        return self._local.fingerprint

    @property
    def tokens_run(self) -> int:
        """See `LanguageModel`."""
        return self._tokens_run

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """See `LanguageModel`."""
        limit = self._local.max_tokens
        return [
            limit is None or len(tokens) + max_new_tokens <= limit for tokens in self._local.reader.prompts(prompts)
        ]

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Tokens of some texts; the weights are not loaded."""
        return sum(map(len, prompt_ids(self._local.tokenizer, texts)))

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """See `LanguageModel`.

        An output has the tokens that it adds to those of its prompt, without special tokens but those that the model's
        tokenizer puts in front of every text. What looks like a control token in a text is read as plain characters.

        Raises:
            PromptTooLongError: A prompt with an output is longer than the model can read.
        """
        requests = self._requests(prompts, outputs)
        if self._local.packs:
            model = self._local.model
            with attending_by(model, self.packed_attention):
                scores = score_packed(model, requests, scoring_budget(self.batch_tokens, model.device))
        else:
            scores = score_in_rows(self._local.model, requests, self.batch_tokens)
        self._check_finite(scores)
        return scores

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """See `LanguageModel`."""
        return self._write(prompts, 1, max_new_tokens, greedy, stop)

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """See `LanguageModel`; each prompt is read once for both."""
        if not (self._local.packs and can_share(self._local.model.config)):
            return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)
        requests = self._requests(prompts, outputs, max_new_tokens)
        writing = Writing(max_new_tokens, self._completes(_LINE))
        model = self._local.model
        row_tokens = scoring_budget(self.batch_tokens, model.device)
        with attending_by(model, "sdpa"):
            scores, written = score_and_write(model, requests, writing, row_tokens, _WRITING * self.batch_tokens)
        self._tokens_run += sum(map(len, written))
        self._check_finite(scores)
        return [self._text(tokens, _LINE) for tokens in written], scores

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """See `LanguageModel`."""
        check_sampling(prompts, n, temperature, seeds)
        if not prompts:
            return []
        texts = self._write(prompts, n, max_new_tokens, sampler(seeds, n, max_new_tokens, temperature))
        return [texts[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _write(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, choose: Choose, stop: Sequence[str] = ("\n",)
    ) -> list[str]:
        check_length(max_new_tokens)
        tokenised = self._local.reader.prompts(prompts)
        for tokens, prompt in zip(tokenised, prompts, strict=True):
            self._check_length(len(tokens) + max_new_tokens, prompt)
        writing = Writing(max_new_tokens, self._completes(stop), choose)
        written = write(self._local.model, tokenised, n, writing, _WRITING * self.batch_tokens)
        self._tokens_run += sum(map(len, tokenised)) + sum(map(len, written))
        return [self._text(tokens, stop) for tokens in written]

    def _requests(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int = 0
    ) -> list[TokenisedRequest]:
        output_tokens = self._local.reader.outputs(prompts, outputs)
        prompt_tokens = self._local.reader.prompts(prompts)
        requests = [TokenisedRequest(*tokens) for tokens in zip(prompt_tokens, output_tokens, strict=True)]
        for request, prompt in zip(requests, prompts, strict=True):
            longest = max(map(len, request.outputs), default=0)
            self._check_length(len(request.prompt) + max(longest, max_new_tokens), prompt)
        self._tokens_run += sum(len(request.prompt) + sum(map(len, request.outputs)) for request in requests)
        return requests

    def _check_finite(self, scores: Sequence[Sequence[OutputScore]]) -> None:
        """A score that is no number would be stored, and would count as the first rank."""
        if not all(math.isfinite(score.sum_logprob) for row in scores for score in row):
            raise EmbedderError(
                f"{self.name} in {self.dtype} gives log-likelihoods that are not finite numbers: its "
                "activations overflow (llm.dtype=bfloat16 or float32), or its weights are damaged"
            )

    def _completes(self, stop: Sequence[str]) -> Callable[[list[int]], bool]:
        """Whether tokens end with an end token or hold a stop text."""

        def is_complete(tokens: list[int]) -> bool:
            return tokens[-1] in self._local.end_tokens or any(text in self._local.decode(tokens) for text in stop)

        return is_complete

    def _text(self, tokens: list[int], stop: Sequence[str]) -> str:
        return cut_behind(self._local.decode(tokens), stop).strip()

    def _check_length(self, n_tokens: int, prompt: str) -> None:
        limit = self._local.max_tokens
        if limit is not None and n_tokens > limit:
            raise PromptTooLongError(
                f"a prompt with its output takes {n_tokens} tokens, and {self.name} reads at most {limit}: "
                "shorten the keys, show fewer of them, or use an LLM with a longer context. "
                f"The prompt ends with {prompt[-80:]!r}",
                prompt,
            )


def scoring_budget(batch_tokens: int, device: torch.device) -> int:
    """Tokens of a forward pass when scoring."""
    return min(batch_tokens, _CPU_TOKENS) if device.type == "cpu" else batch_tokens
