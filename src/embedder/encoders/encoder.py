"""The bi-encoder: transformers that map queries and keys to unit vectors."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from embedder.encoders.backbone import load_backbone, most_tokens
from embedder.encoders.config import EncoderConfig
from embedder.encoders.keep_end import keep_ends
from embedder.encoders.lora import as_base, merged, without_adapters
from embedder.encoders.parts import check_query_only, folder_of, load_head, load_tokenizer, pooling_of
from embedder.encoders.pooling import POOLINGS
from embedder.encoders.recompute import recompute
from embedder.encoders.unpadded import (
    agrees_unpadded,
    kernel_runs,
    prepare_unpadded,
    register_unpadded,
    run_unpadded,
)
from embedder.errors import ConfigError, NoTokensError
from embedder.models.ahead import ahead
from embedder.models.device import torch_device, warn_of_slow_bfloat16
from embedder.models.token_batches import token_batches
from embedder.types import FloatArray, Keep, Reading, Side

Tokens = dict[str, Tensor]
_CPU_TOKENS = 2048  # of a forward pass


class TextEncoder(nn.Module):
    """A Hugging Face encoder or decoder with pooling, the linear layers of its folder, and normalisation.

    Example:
        ```python
        encoder = TextEncoder(EncoderConfig("sentence-transformers/all-MiniLM-L6-v2"))
        queries = encoder.encode(["who wrote it?"], Reading("query", "Represent this query: "))  # [1, 384]
        keys = encoder.encode(["It was written by Oru.", "A lighthouse."], Reading("key"))  # [2, 384]
        similarities = queries @ keys.T  # cosines, [1, 2]: all vectors have length 1
        ```

    Args:
        config: Which model, which pooling, how it is trained, on which device. Its pooling is settled by the folder.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        device = torch_device(config.device, "encoder.device")
        if config.dtype == "bfloat16":
            warn_of_slow_bfloat16(device.type, "encoder.dtype", "float32")
        folder = folder_of(config)
        pooling = pooling_of(config, folder)
        self.query_only = config.trainable == "query"
        """Whether the keys stay those of the base encoder."""
        if self.query_only:
            check_query_only(config, folder)
        self.config = replace(
            config,
            pooling=pooling,
            dimension=config.dimension or folder.dimension,
            shared=config.shared and not self.query_only,
        )
        self.tokenizer = load_tokenizer(folder, config, pooling)
        self.backbone: Any = load_backbone(folder.query.transformer, config)
        # Keys go past the adapters of queries where both are of one model.
        past_adapters = self.query_only and config.lora is not None and folder.query == folder.key
        separate = not self.config.shared and not past_adapters
        of_keys = replace(config, lora=None) if self.query_only else config
        self.key_backbone: Any = load_backbone(folder.key.transformer, of_keys) if separate else None
        self.head = load_head(folder.query.dense, config, folder.trained)
        """Linear layers between pooling and the vector; of most models none."""
        self.key_head = load_head(folder.key.dense, config, folder.trained) if separate else None
        if self.query_only and self.key_backbone is not None and self.key_head is not None:
            self.key_backbone.requires_grad_(False)
            self.key_head.requires_grad_(False)
        for setting, wanted, most in (
            ("dimension", self.config.dimension, self.whole_dimension),
            ("dimensions", max(config.dimensions or (1,)), self.dimension),
        ):
            if wanted is not None and wanted > most:
                raise ConfigError(f"encoder.{setting}", f"at most the {most} numbers of a vector", wanted)
        longest, own = most_tokens(self.backbone), self.tokenizer.model_max_length
        self.max_length = int(longest if folder.modules else min(longest, own))
        """Most tokens that the backbone reads, special tokens included."""
        self._usual_length = int(min(self.max_length, own, folder.max_length or own))
        backbones = [self.backbone, self.key_backbone] if separate else [self.backbone]
        self._can_unpad = config.unpadded and all(map(prepare_unpadded, backbones))
        self._kernel_agrees: bool | None = None
        """Whether the kernel of a GPU gives what padded rows give; None until it was first tried."""
        self.tokens_run = 0
        """Tokens that went through so far, padding included."""
        self.in_one_pass = False
        """Whether all texts go through together, as FSDP2 needs it: each pass is a collective of all processes."""
        self._pool = POOLINGS[pooling]
        self.train()  # from_pretrained leaves the evaluation mode on, and Lightning keeps what it finds
        self.to(device)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process, transformers does not know this project's attention yet."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if self._can_unpad:
            register_unpadded()

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.config.dimension or self.whole_dimension)

    @property
    def whole_dimension(self) -> int:
        """Length of a vector before it is cut."""
        last: Any = self.head[-1] if len(self.head) else None
        return int(self.backbone.config.hidden_size if last is None else last.out_features)

    def length(self, max_length: int | None) -> int:
        """Tokens that are read of a text: at most `max_length`, or what the model's own folder says."""
        return min(max_length or self._usual_length, self.max_length)

    def tokenize(
        self, texts: Sequence[str], instruction: str = "", max_length: int | None = None, keep: Keep = "start"
    ) -> Tokens:
        """Token ids and mask of `instruction + text`, padded to the longest: [B, L] each.

        Args:
            texts: The texts.
            instruction: Prefix of every text.
            max_length: Longer texts are cut at so many tokens; None for what the model's own folder says.
            keep: Which part of a longer text stays; the instruction stays before its `end`.

        Raises:
            ConfigError: The end is to be kept and the instruction leaves no room for it.
        """
        limit = self.length(max_length)
        if keep == "end":
            ids = keep_ends(self.tokenizer, texts, instruction, limit)
            encoded = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        else:
            prefixed = [instruction + text for text in texts]
            encoded = self.tokenizer(prefixed, truncation=True, max_length=limit, padding=True, return_tensors="pt")
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}

    def side(self, side: Side) -> tuple[Any, nn.Sequential | None]:
        """The transformer and the linear layers of one side."""
        has_own_model = side == "key" and self.key_backbone is not None
        return (self.key_backbone, self.key_head) if has_own_model else (self.backbone, self.head)

    @property
    def has_two_sides(self) -> bool:
        """Whether queries and keys go through different weights, so that an export has both."""
        return self.key_backbone is not None or self.query_only

    def exported(self, side: Side) -> Any:
        """The transformer of one side without adapters beside it: merged into a copy of the weights, or left out."""
        return (without_adapters if side == "key" and self.query_only else merged)(self.side(side)[0])

    def forward(self, tokens: Tokens, side: Side) -> Tensor:
        """Unit vectors of texts of one side, float32 [B, D]; without a gradient for keys that stay as they were.

        Rows of like length go through together, cut to the longest of them, so that little is spent on padding.
        """
        if side == "query" or not self.query_only:
            return self._vectors(tokens, side)
        with torch.no_grad(), as_base(self.side("key")[0]):
            return self._vectors(tokens, side)

    def _vectors(self, tokens: Tokens, side: Side) -> Tensor:
        backbone, head = self.side(side)
        mask = tokens["attention_mask"]
        lengths = mask.sum(1).tolist()
        vectors, order = [], []
        cached = self.config.cached_gradients and torch.is_grad_enabled() and not self.in_one_pass
        trained = [parameter for parameter in backbone.parameters() if cached and parameter.requires_grad]
        budget = sys.maxsize if self.in_one_pass else self._micro_batch_tokens(mask.device)
        for rows in token_batches(lengths, budget):
            batch = {name: tensor[rows, : max(lengths[rows[0]], 1)] for name, tensor in tokens.items()}
            unpadded = self._is_unpadded(backbone, mask.device)
            self.tokens_run += sum(lengths[row] for row in rows) if unpadded else batch["input_ids"].numel()
            run = partial(self._embed, backbone, batch)
            vectors.append(recompute(run, trained, mask.device) if trained else run())
            order += rows
        back = torch.tensor(order, device=mask.device).argsort()
        features = {"sentence_embedding": torch.cat(vectors)[back]}  # [B, H]
        for layer in head or ():
            features = layer(features)
        return nn.functional.normalize(features["sentence_embedding"][:, : self.dimension].float(), dim=-1)

    def _embed(self, backbone: Any, tokens: Tokens) -> Tensor:
        """Pooled vectors of rows that go through together, [b, D]."""
        mask = tokens["attention_mask"]
        if self._is_unpadded(backbone, mask.device):
            return self._pool(run_unpadded(backbone, tokens["input_ids"], mask), mask)
        return self._pool(backbone(**tokens).last_hidden_state, mask)

    def _is_unpadded(self, backbone: Any, device: torch.device) -> bool:
        """Whether rows go through without padding: on a GPU, where one kernel takes all of them."""
        if device.type == "cpu" or not self._can_unpad:
            return self._can_unpad
        if not kernel_runs(backbone, device):
            return False
        if self._kernel_agrees is None:
            self._kernel_agrees = agrees_unpadded(backbone)
        return self._kernel_agrees

    def _micro_batch_tokens(self, device: torch.device) -> int:
        return self.config.micro_batch_tokens or (_CPU_TOKENS if device.type == "cpu" else 32768)

    @torch.no_grad()  # not inference_mode: what FSDP2 makes under it could not be trained
    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors of many texts of one side, [n, D], float32, in their order; see `tokenize`.

        Texts of like length go through together, as many as the token budget allows, while a thread tokenises the next
        ones; the mode of the module (training or not) is put back afterwards.

        Raises:
            NoTokensError: A text has none.
        """
        import numpy as np
        from rich.progress import track

        n_characters = np.array([len(text) for text in texts]) + len(reading.instruction)
        order = np.argsort(-n_characters, kind="stable")
        # Three characters a token is a cautious guess for any alphabet but the densest; a wrong one costs memory alone.
        n_tokens = np.minimum(self.length(reading.max_length), n_characters[order] // 3 + 2)
        batches = list(token_batches(n_tokens.tolist(), self.config.encode_tokens))

        def tokenize(batch: list[int]) -> Tokens:
            batch_texts = [texts[row] for row in order[batch]]
            tokens = self.tokenize(batch_texts, reading.instruction, reading.max_length, reading.keep)
            for row in (tokens["attention_mask"].sum(1) == 0).nonzero()[:1, 0].tolist():
                raise NoTokensError(int(order[batch[row]]), batch_texts[row])
            return tokens

        was_training = self.training
        if was_training:  # going over all modules takes a twentieth of one question's time
            self.eval()
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        try:
            shown = track(batches, "Encoding", transient=True) if progress else batches  # a bar takes a millisecond
            pairs = ahead(tokenize, shown) if len(batches) > 1 else ((batch, tokenize(batch)) for batch in shown)
            for batch, tokens in pairs:
                rows = order[batch]
                there = {name: value.to(next(self.parameters()).device) for name, value in tokens.items()}
                vectors[rows] = self(there, reading.side).cpu().numpy()
        finally:
            if was_training:
                self.train()
        return vectors
