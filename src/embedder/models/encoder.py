"""The bi-encoder: one transformer that maps queries and keys to unit vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from embedder.errors import ConfigError, check_types
from embedder.models.device import torch_device
from embedder.models.packages import resolve_model, verify_sha256
from embedder.models.pooling import POOLINGS
from embedder.models.token_batches import token_batches
from embedder.types import FloatArray

Tokens = dict[str, Tensor]


@dataclass(frozen=True)
class EncoderConfig:
    """What encoder to train or to load.

    Args:
        name: A Hugging Face name, a directory, or `package:module/path` for a model inside an installed package.
        revision: Commit or tag of a Hugging Face name.
        pooling: `cls`, `mean` or `last`.
        lr: The base learning rate that suits this encoder.
        sha256: The digest that `model.safetensors` of a `package:` model must have; None does not check.
        encode_tokens: Tokens taken together when encoding a corpus.
        micro_batch_tokens: Token budget of one forward pass; None for 1,024 on a CPU, 32,768 on a GPU.
        cached_gradients: Keep the vectors of a batch and none of its activations, and run each forward pass again for
            its gradient: batches of any size in the memory of one pass, for about a third more time.
            Source: Gao et al., RepL4NLP 2021 (arXiv 2101.06983), gradient caching.
        dropout: Of all layers in training; None for what the model's own configuration says. At 0 a run does not depend
            on the number of processes.
        device: Where it runs outside of training: `auto` (the first GPU if there is one) or a device of torch.
    """

    name: str
    pooling: str
    lr: float = 2e-5
    revision: str | None = None
    sha256: str | None = None
    encode_tokens: int = 8192
    micro_batch_tokens: int | None = None
    cached_gradients: bool = False
    dropout: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        check_types(self, "encoder")
        if self.pooling not in POOLINGS:
            raise ConfigError("encoder.pooling", f"one of {sorted(POOLINGS)}", self.pooling)
        if not self.lr > 0:
            raise ConfigError("encoder.lr", "a positive number", self.lr)
        if self.encode_tokens < 1:
            raise ConfigError("encoder.encode_tokens", "1 or more", self.encode_tokens)
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ConfigError("encoder.dropout", "a share from 0 to below 1, or null", self.dropout)
        if self.micro_batch_tokens is not None and self.micro_batch_tokens < 1:
            raise ConfigError("encoder.micro_batch_tokens", "1 or more, or null", self.micro_batch_tokens)

    def build(self) -> "TextEncoder":
        """Load weights and tokenizer, onto the device."""
        return TextEncoder(self).to(torch_device(self.device, "encoder.device"))


class TextEncoder(nn.Module):
    """A Hugging Face encoder with pooling and normalisation.

    Args:
        config: Which model, which pooling.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        from safetensors import SafetensorError
        from transformers import AutoModel, AutoTokenizer

        source = resolve_model(config.name)
        if config.sha256 is not None and config.name.startswith("package:"):
            verify_sha256(Path(source) / "model.safetensors", config.sha256)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(source, revision=config.revision)
            self.backbone = AutoModel.from_pretrained(
                source, revision=config.revision, use_safetensors=True, trust_remote_code=False
            )
        except (OSError, ValueError, SafetensorError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise ConfigError("encoder.name", f"a model that can be loaded ({reason})", config.name) from error
        if config.dropout is not None:
            set_dropout(self.backbone, config.dropout)
        if (pooler := getattr(self.backbone, "pooler", None)) is not None:
            pooler.requires_grad_(False)  # BERT's own, which no loss reaches: data-parallel training would wait for it
        self.tokenizer.padding_side = "right"  # `forward` cuts padding off on the right
        self.config = config
        self.tokens_run = 0
        """Tokens that went through so far, padding included."""
        self._pool = POOLINGS[config.pooling]
        self.train()  # from_pretrained leaves the evaluation mode on, and Lightning keeps what it finds

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.backbone.config.hidden_size)

    @property
    def max_length(self) -> int:
        """Most tokens that the backbone reads, special tokens included."""
        return int(
            min(self.tokenizer.model_max_length, getattr(self.backbone.config, "max_position_embeddings", 1 << 30))
        )

    def tokenize(self, texts: Sequence[str], instruction: str = "", max_length: int | None = None) -> Tokens:
        """Token ids and mask of `instruction + text`, padded to the longest: [B, L] each.

        Args:
            texts: The texts.
            instruction: Prefix of every text.
            max_length: Longer texts are cut at so many tokens; None for all that the backbone reads.
        """
        encoded = self.tokenizer(
            [instruction + text for text in texts],
            truncation=True,
            max_length=min(max_length or self.max_length, self.max_length),
            padding=True,
            return_tensors="pt",
        )
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}

    def forward(self, tokens: Tokens) -> Tensor:
        """Unit vectors, [B, D].

        Rows of like length go through together, cut to the longest of them, so that little is spent on padding.
        """
        mask = tokens["attention_mask"]
        lengths = mask.sum(1).tolist()
        vectors, order = [], []
        for rows in token_batches(lengths, self._micro_batch_tokens(mask.device)):
            some = {name: tensor[rows, : max(lengths[rows[0]], 1)] for name, tensor in tokens.items()}
            self.tokens_run += some["input_ids"].numel()
            if self.config.cached_gradients and torch.is_grad_enabled():
                vectors.append(checkpoint(self._embed, some, use_reentrant=False))
            else:
                vectors.append(self._embed(some))
            order += rows
        back = torch.tensor(order, device=mask.device).argsort()
        return nn.functional.normalize(torch.cat(vectors)[back], dim=-1)

    def _embed(self, tokens: Tokens) -> Tensor:
        """Pooled vectors of rows that go through together, [b, D]."""
        return self._pool(self.backbone(**tokens).last_hidden_state, tokens["attention_mask"])

    def _micro_batch_tokens(self, device: torch.device) -> int:
        return self.config.micro_batch_tokens or (1024 if device.type == "cpu" else 32768)

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], instruction: str = "", max_length: int | None = None, *, progress: bool = False
    ) -> FloatArray:
        """Unit vectors of many texts, [n, D], float32, in their order.

        Texts of like length go through together, as many as the token budget allows; the mode of the module (training
        or not) is put back afterwards.
        """
        import numpy as np
        from rich.progress import track

        limit = min(max_length or self.max_length, self.max_length)
        lengths = np.array([len(text) for text in texts]) + len(instruction)
        order = np.argsort(-lengths, kind="stable")
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        try:
            batches = _batches(lengths[order].tolist(), limit, self.config.encode_tokens)
            for start, stop in track(batches, "Encoding", disable=not progress, transient=True):
                rows = order[start:stop]
                tokens = self.tokenize([texts[row] for row in rows], instruction, max_length)
                output = self({name: value.to(device) for name, value in tokens.items()})
                vectors[rows] = output.float().cpu().numpy()
        finally:
            self.train(was_training)
        return vectors


def set_dropout(model: nn.Module, share: float) -> None:
    """Set every dropout of a model, attention's included."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        if isinstance(getattr(module, "attention_dropout", None), float):  # a number that attention functions are given
            module.attention_dropout = share  # type: ignore[assignment]  # torch types every attribute as a module


def _batches(lengths: list[int], limit: int, budget: int) -> list[tuple[int, int]]:
    """Cut texts, longest first, into runs whose padded size stays within a token budget.

    Lengths are in characters; three characters a token is a cautious guess for any alphabet but the densest, and a
    wrong guess costs memory in proportion, nothing else.
    """
    runs: list[tuple[int, int]] = []
    start = 0
    while start < len(lengths):
        longest = min(limit, lengths[start] // 3 + 2)
        stop = min(len(lengths), start + max(1, budget // longest))
        runs.append((start, stop))
        start = stop
    return runs
