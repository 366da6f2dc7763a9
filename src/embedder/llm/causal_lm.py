"""The LLM that the retriever is trained for: a Hugging Face causal model that scores and writes outputs."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from embedder.errors import ConfigError, EmbedderError, PromptTooLongError
from embedder.llm.answering import score_and_write
from embedder.llm.decoding import Choose, greedy, sampler, write
from embedder.llm.gguf import convert_gguf
from embedder.llm.packed_scoring import score_packed, takes_packed_branches
from embedder.llm.prompt_tokens import output_ids, prompt_ids, reads_otherwise_behind
from embedder.llm.row_scoring import TokenisedRequest, score_in_rows
from embedder.llm.shared_prefix import can_share
from embedder.llm.stop import cut_behind
from embedder.models.device import tell_slow_bfloat16, torch_device
from embedder.models.fingerprint import fingerprint_of
from embedder.models.folder import load_settings, load_tokenizer
from embedder.models.hub import local_folder
from embedder.models.packages import resolve_model
from embedder.models.weights import load_weights
from embedder.types import OutputScore

logger = logging.getLogger(__name__)

_CPU_TOKENS = 1024  # on a CPU larger batches gain nothing, and rows of unlike length waste more on padding
_LINE = ("\n",)
_WRITING = 2  # times as many tokens in the cache: each step reads all weights for a token of every row
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class HuggingFaceLanguageModel:
    """Implements `embedder.types.LanguageModel`; weights are loaded on first use, code from the hub is never run.

    Args:
        name: A hub name, a folder with safetensors, a GGUF file, or `package:NAME/PATH` for either in a Python package.
        revision: Branch, tag or commit of a hub name.
        dtype: `float32`, `bfloat16` or `float16`.
        device: `auto` (the first GPU if there is one), or a device of torch such as `cpu` or `cuda:1`.
        cache_directory: Where GGUF files are converted to; the user's cache folder by default.
        batch_tokens: Token budget of a forward pass, padding included.

    Raises:
        ConfigError: A setting has a value that cannot work.
    """

    def __init__(
        self,
        name: str,
        revision: str | None = None,
        dtype: str = "float32",
        device: str = "auto",
        cache_directory: str | Path | None = None,
        batch_tokens: int = 4096,
    ) -> None:
        if dtype not in DTYPES:
            raise ConfigError("llm.dtype", f"one of {sorted(DTYPES)}", dtype)
        if batch_tokens < 1:
            raise ConfigError("llm.batch_tokens", "1 or more", batch_tokens)
        self._name = name
        self._revision = revision
        self._dtype = dtype
        self._device = device
        self._cache_directory = cache_directory
        self._batch_tokens = batch_tokens
        self._tokens_run = 0

    @cached_property
    def fingerprint(self) -> str:
        """Identifies weights, tokenizer, precision and how outputs are read, without loading the model."""
        files = fingerprint_of(resolve_model(self._name, "llm.name"), self._revision, self._dtype)
        return f"{files}:behind" if self._behind else files

    @property
    def tokens_run(self) -> int:
        """Tokens of prompts and outputs that were scored or written so far."""
        return self._tokens_run

    def fits(self, prompts: Sequence[str], max_new_tokens: int) -> list[bool]:
        """Whether the LLM can read each prompt with so many tokens after it; true where its settings tell no limit."""
        limit = self._max_tokens
        return [limit is None or len(tokens) + max_new_tokens <= limit for tokens in self._tokenise(prompts, "prompt")]

    def score(self, prompts: Sequence[str], outputs: Sequence[Sequence[str]]) -> list[list[OutputScore]]:
        """Log-likelihood of each of `outputs[i]` after `prompts[i]`, in the same order.

        An output has the tokens that it adds to those of its prompt, without special tokens but those that the model's
        tokenizer puts in front of every text. What looks like a control token in a text is read as plain characters.

        Raises:
            ValueError: A prompt or an output has no tokens, or the numbers of prompts and lists of outputs differ.
            PromptTooLongError: A prompt with an output is longer than the model can read.
        """
        requests = self._requests(prompts, outputs)
        self._tokens_run += sum(len(request.prompt) + sum(map(len, request.outputs)) for request in requests)
        if self._packs:
            scores = score_packed(self._model, requests, scoring_budget(self._batch_tokens, self._model.device))
        else:
            scores = score_in_rows(self._model, requests, self._batch_tokens)
        self._check_finite(scores)
        return scores

    def generate(self, prompts: Sequence[str], max_new_tokens: int, stop: Sequence[str] = ("\n",)) -> list[str]:
        """The greedy continuation of each prompt up to an end token or behind the first of the `stop` texts, stripped.

        Raises:
            ConfigError: `max_new_tokens` is not above 0.
            ValueError: A stop text is empty, or there is none.
        """
        return self._write(prompts, 1, max_new_tokens, greedy, stop)

    def answer(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int
    ) -> tuple[list[str], list[list[OutputScore]]]:
        """What `generate` and `score` give for the same prompts, each of which is read once for both."""
        if not (self._packs and can_share(self._model.config)):
            return self.generate(prompts, max_new_tokens), self.score(prompts, outputs)
        requests = self._requests(prompts, outputs, max_new_tokens)
        budget = _WRITING * self._batch_tokens
        complete = self._completes(_LINE)
        scores, written = score_and_write(self._model, requests, max_new_tokens, budget, complete)
        self._tokens_run += sum(len(request.prompt) + sum(map(len, request.outputs)) for request in requests)
        self._tokens_run += sum(map(len, written))
        self._check_finite(scores)
        return [self._text(tokens, _LINE) for tokens in written], scores

    def sample(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, temperature: float, seeds: Sequence[int]
    ) -> list[list[str]]:
        """`n` sampled continuations of each prompt, cut at a line break; one seed a prompt, whatever the batch.

        Raises:
            ConfigError: The temperature is not above 0, or `n` is not.
            ValueError: There is not one seed for each prompt.
        """
        if not temperature > 0:
            raise ConfigError("temperature", "a number above 0", temperature)
        if n < 1:
            raise ConfigError("n", "1 or more", n)
        if len(seeds) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts and {len(seeds)} seeds: one seed a prompt is needed")
        if not prompts:
            return []
        texts = self._write(prompts, n, max_new_tokens, sampler(seeds, n, max_new_tokens, temperature))
        return [texts[i * n : (i + 1) * n] for i in range(len(prompts))]

    def _write(
        self, prompts: Sequence[str], n: int, max_new_tokens: int, choose: Choose, stop: Sequence[str] = ("\n",)
    ) -> list[str]:
        if max_new_tokens < 1:
            raise ConfigError("max_new_tokens", "1 or more", max_new_tokens)
        tokenised = self._tokenise(prompts, "prompt")
        for tokens, prompt in zip(tokenised, prompts, strict=True):
            self._check_length(len(tokens) + max_new_tokens, prompt)

        is_complete = self._completes(stop)
        budget = _WRITING * self._batch_tokens
        written = write(self._model, tokenised, n, max_new_tokens, budget, choose, is_complete)
        self._tokens_run += sum(map(len, tokenised)) + sum(map(len, written))
        return [self._text(tokens, stop) for tokens in written]

    def _requests(
        self, prompts: Sequence[str], outputs: Sequence[Sequence[str]], max_new_tokens: int = 0
    ) -> list[TokenisedRequest]:
        behind = output_ids(self._tokenizer, prompts, outputs, behind=self._behind)
        requests = [
            TokenisedRequest(prompt, some)
            for prompt, some in zip(self._tokenise(prompts, "prompt"), behind, strict=True)
        ]
        for request, prompt in zip(requests, prompts, strict=True):
            longest = max(map(len, request.outputs), default=0)
            self._check_length(len(request.prompt) + max(longest, max_new_tokens), prompt)
        return requests

    def _check_finite(self, scores: Sequence[Sequence[OutputScore]]) -> None:
        """A score that is no number would be kept, and would count as the first place."""
        if not all(math.isfinite(score.sum_logprob) for some in scores for score in some):
            raise EmbedderError(
                f"{self._name} in {self._dtype} gives log-likelihoods that are not finite numbers: its activations "
                "overflow (llm.dtype=bfloat16 or float32), or its weights are damaged"
            )

    def _completes(self, stop: Sequence[str]) -> Callable[[list[int]], bool]:
        """Whether tokens end with an end token or hold a stop text."""

        def is_complete(tokens: list[int]) -> bool:
            return tokens[-1] in self._end_tokens or any(text in self._decode(tokens) for text in stop)

        return is_complete

    def _text(self, tokens: list[int], stop: Sequence[str]) -> str:
        return cut_behind(self._decode(tokens), stop).strip()

    def _decode(self, tokens: list[int]) -> str:
        text = tokens[:-1] if tokens and tokens[-1] in self._end_tokens else tokens
        decoded: str = self._tokenizer.decode(text, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return decoded

    def _tokenise(self, texts: Sequence[str], what: str) -> list[list[int]]:
        """Token ids of prompts, or of outputs behind a line break."""
        if what == "prompt":
            return prompt_ids(self._tokenizer, texts)
        (ids,) = output_ids(self._tokenizer, ["\n"], [texts], behind=self._behind)
        return ids

    @cached_property
    def _behind(self) -> bool:
        return reads_otherwise_behind(self._tokenizer)

    def _check_length(self, n_tokens: int, prompt: str) -> None:
        if self._max_tokens is not None and n_tokens > self._max_tokens:
            raise PromptTooLongError(
                f"a prompt with its output takes {n_tokens} tokens, and {self._name} reads at most {self._max_tokens}: "
                "shorten the keys, show fewer of them, or use an LLM with a longer context. "
                f"The prompt ends with {prompt[-80:]!r}",
                prompt,
            )

    @cached_property
    def _max_tokens(self) -> int | None:
        """What the LLM reads at most; its settings tell it without its weights."""
        config = load_settings(self._folder, "llm.name", self._name)
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        return None if limit is None else int(limit)

    @cached_property
    def _folder(self) -> Path:
        """Settings and tokenizer; of a model on the hub without its weights, which a fingerprint does not need."""
        source = resolve_model(self._name, "llm.name")
        if isinstance(source, str) or source.is_dir():
            return local_folder(source, self._revision, "llm.name", weights=False)
        if self._cache_directory is not None:
            return convert_gguf(source, Path(self._cache_directory))
        from platformdirs import user_cache_path

        return convert_gguf(source, user_cache_path("embedder") / "models")

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModelForCausalLM

        started = time.perf_counter()
        device = torch_device(self._device, "llm.device")
        if self._dtype == "bfloat16":
            tell_slow_bfloat16(device.type, "llm.dtype", "float32")
        load_settings(self._folder, "llm.name", self._name)
        if isinstance(source := resolve_model(self._name, "llm.name"), str):
            local_folder(source, self._revision, "llm.name")  # its weights, beside them
        dtype = DTYPES[self._dtype]
        model = load_weights(AutoModelForCausalLM, self._folder, "llm.name", self._name, "a causal LM", dtype=dtype)
        model.to(device).eval()
        logger.info("loaded %s (%s, %s) in %.1f s", self._name, self._dtype, device, time.perf_counter() - started)
        return model

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder, "llm.name", self._name)

    @cached_property
    def _packs(self) -> bool:
        packs = takes_packed_branches(self._model.config)
        if not packs:
            logger.warning(
                "models of type %s are not known to take packed outputs: scoring every output in a row of its own, "
                "several times slower",
                self._model.config.model_type,
            )
        return packs

    @cached_property
    def _end_tokens(self) -> frozenset[int]:
        """The tokens that end a text in the model's own opinion: of its generation settings and of its tokenizer."""
        ends = {self._tokenizer.eos_token_id}
        for settings in (self._model.generation_config, self._model.config):
            declared = getattr(settings, "eos_token_id", None)
            ends |= set(declared) if isinstance(declared, list | tuple) else {declared}
        return frozenset(ends - {None})


def scoring_budget(batch_tokens: int, device: torch.device) -> int:
    """Tokens of a forward pass when scoring."""
    return min(batch_tokens, _CPU_TOKENS) if device.type == "cpu" else batch_tokens
