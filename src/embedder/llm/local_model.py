"""A causal model on this machine, with its tokenizer: settings, fingerprint and weights, each opened on first use."""

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from embedder.bounds import PositiveInt
from embedder.llm.gguf import convert_gguf
from embedder.llm.packed_masks import PackedAttention
from embedder.llm.packed_scoring import takes_packed_branches
from embedder.llm.text_reader import TextReader
from embedder.models.device import torch_device, warn_of_slow_bfloat16
from embedder.models.fingerprint import fingerprint_of
from embedder.models.folder import load_settings, load_tokenizer
from embedder.models.hub import local_folder
from embedder.models.packages import resolve_model
from embedder.models.weights import load_weights

logger = logging.getLogger(__name__)

Dtype = Literal["bfloat16", "float16", "float32"]
DTYPES: dict[Dtype, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(eq=False)
class LocalSettings:
    """Which model is run on this machine, and how.

    Args:
        name: A hub name, a folder with safetensors, a GGUF file, or `package:NAME/PATH` for either in a Python package.
        revision: Branch, tag or commit of a hub name.
        dtype: `float32`, `bfloat16` or `float16`.
        device: `auto` (the first GPU if there is one), or a device of torch such as `cpu` or `cuda:1`.
        cache_directory: Where GGUF files are converted to; the user's cache folder by default.
        batch_tokens: Token budget of a forward pass, padding included.
        packed_attention: With which attention outputs are scored that lie behind one prompt: `sdpa`, or
            `flex_attention`, which compiles itself on first use and skips what the mask blocks; for GPUs.
        chat: Whether prompts are shown by the chat template of the tokenizer, see `TextReader`.
    """

    name: str
    revision: str | None = None
    dtype: Dtype = "float32"
    device: str = "auto"
    cache_directory: str | Path | None = None
    batch_tokens: PositiveInt = 4096
    packed_attention: PackedAttention = "sdpa"
    chat: bool = False


class LocalModel:
    """Opens a causal model of Hugging Face; code from the hub is never run."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    @cached_property
    def fingerprint(self) -> str:
        """Identifies weights, tokenizer, precision and how outputs are read, without loading the model."""
        files = fingerprint_of(self._source, self._settings.revision, self._settings.dtype)
        return files + self.reader.mark

    @cached_property
    def reader(self) -> TextReader:
        """How its tokenizer reads prompts and outputs."""
        return TextReader(self.tokenizer, chat=self._settings.chat)

    @cached_property
    def max_tokens(self) -> int | None:
        """Most tokens that the LLM reads, from its settings, without its weights."""
        config = load_settings(self._folder, "llm.name", self._settings.name)
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        return None if limit is None else int(limit)

    @property
    def _source(self) -> str | Path:
        return resolve_model(self._settings.name, "llm.name")

    @cached_property
    def _folder(self) -> Path:
        """Settings and tokenizer; of a model on the hub without its weights, which a fingerprint does not need."""
        from platformdirs import user_cache_path

        source, cache = self._source, self._settings.cache_directory
        if isinstance(source, str) or source.is_dir():
            return local_folder(source, self._settings.revision, "llm.name", weights=False)
        return convert_gguf(source, user_cache_path("embedder") / "models" if cache is None else Path(cache))

    @cached_property
    def model(self) -> Any:
        """The model in evaluation mode, on its device."""
        from transformers import AutoModelForCausalLM

        started, name, dtype = time.perf_counter(), self._settings.name, self._settings.dtype
        device = torch_device(self._settings.device, "llm.device")
        if dtype == "bfloat16":
            warn_of_slow_bfloat16(device.type, "llm.dtype", "float32")
        load_settings(self._folder, "llm.name", name)
        if isinstance(source := self._source, str):
            local_folder(source, self._settings.revision, "llm.name")  # its weights, beside them
        weights = DTYPES[dtype]
        model = load_weights(AutoModelForCausalLM, self._folder, "llm.name", name, "a causal LM", dtype=weights)
        model.to(device).eval()
        logger.info("loaded %s (%s, %s) in %.1f s", name, dtype, device, time.perf_counter() - started)
        return model

    @cached_property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return load_tokenizer(self._folder, "llm.name", self._settings.name)

    @cached_property
    def packs(self) -> bool:
        """Whether several outputs may be scored in one row, behind one prompt."""
        packs = takes_packed_branches(self.model.config)
        if not packs:
            logger.warning(
                "models of type %s are not known to take packed outputs: scoring every output in a row of its own, "
                "several times slower",
                self.model.config.model_type,
            )
        return packs

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end a text, from the model's generation settings and its tokenizer."""
        ends = {self.tokenizer.eos_token_id}
        for settings in (self.model.generation_config, self.model.config):
            declared = getattr(settings, "eos_token_id", None)
            ends |= set(declared) if isinstance(declared, list | tuple) else {declared}
        return frozenset(ends - {None})

    def decode(self, tokens: list[int]) -> str:
        """The text of some tokens, without the end token that they may have."""
        text = tokens[:-1] if tokens and tokens[-1] in self.end_tokens else tokens
        decoded: str = self.tokenizer.decode(text, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return decoded
