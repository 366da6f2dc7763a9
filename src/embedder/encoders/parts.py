"""What an encoder is made of beside its transformer, read from its folder: pooling, tokenizer, linear layers."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from embedder.encoders.config import EncoderConfig
from embedder.encoders.pooling import PoolingName
from embedder.encoders.sentence_files import SentenceFiles
from embedder.encoders.sentence_folder import SentenceFolder, read_folder
from embedder.errors import ConfigError
from embedder.models import folder as model_folder
from embedder.models.folder import load_settings
from embedder.models.hub import local_folder
from embedder.models.loading import loading
from embedder.models.packages import resolve_model

logger = logging.getLogger(__name__)


def folder_of(config: EncoderConfig) -> SentenceFolder:
    """Where an encoder lies, and what its folder says of itself.

    Raises:
        ConfigError: The folder does not exist, or was made with other settings than these.
    """
    source = local_folder(resolve_model(config.name, "encoder.name"), config.revision, "encoder.name")
    if source.is_file():
        raise ConfigError("encoder.name", "a folder, package:NAME/PATH or the name of a model on a hub", config.name)
    folder = read_folder(SentenceFiles(source, "encoder.name", config.name))
    trained = folder.trained or {}
    for name in ("bidirectional", "dimension"):
        got = getattr(config, name)
        if name in trained and trained[name] != got:
            raise ConfigError(f"encoder.{name}", f"{trained[name]!r}, which {config.name} was trained with", got)
    if config.shared and config.trainable == "both" and folder.query != folder.key:
        raise ConfigError("encoder.shared", f"false, since {config.name} holds an encoder for each side", True)
    return folder


def check_query_only(config: EncoderConfig, folder: SentenceFolder) -> None:
    """Refuse settings by which keys would not be those of the base encoder as its index has them.

    Raises:
        ConfigError: A setting of its own changes the vectors of keys.
    """
    stored = str(load_settings(folder.key.transformer, "encoder.name", config.name).dtype).removeprefix("torch.")
    trained = folder.trained or {}
    for setting, changes_keys in (
        ("dimension", config.dimension not in (None, folder.dimension, trained.get("dimension"))),
        ("bidirectional", config.bidirectional and not trained.get("bidirectional")),
        ("dtype", config.dtype == "bfloat16" and stored != "bfloat16"),
    ):
        if changes_keys:
            usual = getattr(EncoderConfig(""), setting)
            expected = f"{usual} with encoder.trainable=query, because keys have to stay those of {config.name}"
            raise ConfigError(f"encoder.{setting}", expected, getattr(config, setting))


def pooling_of(config: EncoderConfig, folder: SentenceFolder) -> PoolingName:
    """How token states become a vector: as the folder says, else as the settings do.

    Raises:
        ConfigError: The settings ask for another pooling than the folder was made with.
    """
    pooling = folder.key.pooling
    if pooling is None:
        if config.pooling is None:
            logger.info(
                "%s does not say how it pools, so mean pooling is used (encoder.pooling sets another)", config.name
            )
        return config.pooling or "mean"
    if config.pooling not in (None, pooling):
        parts = f"its modules.json: {', '.join(folder.modules)}"
        expected = f"null or {pooling!r}, which {config.name} was made with ({parts})"
        raise ConfigError("encoder.pooling", expected, config.pooling)
    return pooling


def load_tokenizer(folder: SentenceFolder, config: EncoderConfig, pooling: str) -> Any:
    """A fast tokenizer that pads and cuts on the right, and ends a text with a token where `last` is pooled.

    Raises:
        ConfigError: The tokenizer cannot be loaded, or has no token that can pad or end a text.
    """
    tokenizer = model_folder.load_tokenizer(folder.key.transformer, "encoder.name", config.name)
    if not tokenizer.is_fast:
        raise ConfigError("encoder.name", "a model with a fast tokenizer (tokenizer.json)", config.name)
    tokenizer.padding_side = tokenizer.truncation_side = "right"  # `forward` cuts padding off on the right
    if tokenizer.pad_token is None:  # of most decoders; what stands there is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token is None:
            raise ConfigError("encoder.name", "a model whose tokenizer has a token to pad or to end with", config.name)
    if pooling == "last" and folder.key.pooling is None:  # else it was made with the tokenizer as it is
        _end_with_eos(tokenizer, config.name)
    return tokenizer


def _end_with_eos(tokenizer: Any, name: str) -> None:
    """Make the tokenizer append EOS, as its own rule: truncation leaves room for it, and an export keeps it."""
    before = tokenizer("a", return_special_tokens_mask=True)
    if tokenizer.eos_token is None or before["special_tokens_mask"][-1]:
        return  # it ends texts itself, like BERT's [SEP], or has nothing to end them with
    tokenizer.add_bos_token = before["input_ids"][0] == tokenizer.bos_token_id
    tokenizer.add_eos_token = True
    if tokenizer("a")["input_ids"] != [*before["input_ids"], tokenizer.eos_token_id]:
        raise ConfigError("encoder.pooling", f"cls or mean, since the tokenizer of {name} appends no EOS", "last")


def load_head(paths: Sequence[Path], config: EncoderConfig, trained: Mapping[str, Any] | None) -> torch.nn.Sequential:
    """The linear layers of a folder behind the pooling; that which only cuts vectors of an export is left out.

    Raises:
        ConfigError: A layer cannot be loaded, or has weights that are NaN or infinite.
    """
    layers: list[Any] = []
    if paths:
        from sentence_transformers.sentence_transformer.modules import Dense

        for path in paths:
            with loading("encoder.name", config.name, f"a model whose {path.name}"):
                layers.append(Dense.load(str(path.parent), subfolder=path.name))
            if broken := [name for name, weight in layers[-1].named_parameters() if not weight.isfinite().all()]:
                expected = f"a model whose weights are numbers ({path.name}: {broken[0]} is not)"
                raise ConfigError("encoder.name", expected, config.name)
        if trained is not None and trained.get("dimension") is not None and _only_cuts(layers[-1]):
            layers.pop()
    head = torch.nn.Sequential(*layers).to(getattr(torch, config.dtype))
    return head.requires_grad_(config.lora is None)


def _only_cuts(layer: Any) -> bool:
    weight = layer.linear.weight
    return layer.linear.bias is None and torch.equal(weight, torch.eye(*weight.shape, dtype=weight.dtype))
