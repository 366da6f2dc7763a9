"""Load the transformer and the tokenizer of an encoder, set up as its settings ask."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from embedder.encoders.config import EncoderConfig
from embedder.encoders.lora import add_lora
from embedder.encoders.sentence_folder import SentenceFolder, read_folder
from embedder.errors import ConfigError
from embedder.models import folder
from embedder.models.folder import local_folder
from embedder.models.packages import resolve_model, verify_sha256

logger = logging.getLogger(__name__)


def folder_of(config: EncoderConfig) -> SentenceFolder:
    """Where an encoder lies, and what its folder says of itself.

    Raises:
        ConfigError: The settings ask for another model than that.
    """
    source = local_folder(resolve_model(config.name, "encoder.name"), config.revision, "encoder.name")
    if source.is_file():
        raise ConfigError("encoder.name", "a folder, package:NAME/PATH or the name of a model on a hub", config.name)
    said = read_folder(source, "encoder.name", config.name)
    for name in ("bidirectional", "dimension"):
        got = getattr(config, name)
        if said.trained is not None and name in said.trained and said.trained[name] != got:
            raise ConfigError(f"encoder.{name}", f"{said.trained[name]!r}, which {config.name} was trained with", got)
    if config.shared and said.query != said.key:
        raise ConfigError("encoder.shared", f"false, since {config.name} holds an encoder for each side", True)
    return said


def pooling_of(config: EncoderConfig, said: SentenceFolder) -> str:
    """How token states become a vector: as the folder says, else as the settings do.

    Raises:
        ConfigError: The settings ask for another pooling than the folder was made with.
    """
    if said.pooling is None:
        if config.pooling is None:
            logger.info("%s does not say how it pools: mean (encoder.pooling sets another)", config.name)
        return config.pooling or "mean"
    if config.pooling not in (None, said.pooling):
        parts = f"its modules.json: {', '.join(said.modules)}"
        expected = f"null or {said.pooling!r}, which {config.name} was made with ({parts})"
        raise ConfigError("encoder.pooling", expected, config.pooling)
    return said.pooling


def load_tokenizer(said: SentenceFolder, config: EncoderConfig, pooling: str) -> Any:
    """A fast tokenizer that pads and cuts on the right, and ends a text with a token where `last` is pooled.

    Raises:
        ConfigError: It cannot be loaded, or nothing can pad or end a text.
    """
    tokenizer = folder.load_tokenizer(said.key, "encoder.name", config.name)
    if not tokenizer.is_fast:
        raise ConfigError("encoder.name", "a model with a fast tokenizer (tokenizer.json)", config.name)
    tokenizer.padding_side = tokenizer.truncation_side = "right"  # `forward` cuts padding off on the right
    if tokenizer.pad_token is None:  # of most decoders; what stands there is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token is None:
            raise ConfigError("encoder.name", "a model whose tokenizer has a token to pad or to end with", config.name)
    if pooling == "last" and said.pooling is None:  # else it was made with the tokenizer as it is
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


def load_backbone(source: Path, config: EncoderConfig) -> Any:
    """The transformer with attention, data type, adapters and checkpointing as the settings ask.

    Raises:
        ConfigError: It cannot be loaded, or cannot do what is asked.
        DataError: Its weights have another digest than `encoder.sha256`.
    """
    if config.sha256 is not None and config.name.startswith("package:"):
        verify_sha256(source / "model.safetensors", config.sha256)
    auto = _automatic(source, config)
    attention = {} if config.attention == "auto" else {"attn_implementation": config.attention}
    settings = {"dtype": getattr(torch, config.dtype), **attention}
    try:
        backbone = folder.load_weights(auto, source, "encoder.name", config.name, "a model", **settings)
    except ImportError as error:
        raise _not_loaded(config.attention, error) from error
    except ConfigError as error:
        if attention and error.__cause__ is not None and "attention" in str(error.__cause__):
            raise _not_loaded(config.attention, error.__cause__) from error
        raise
    _check_reads_text(backbone, config)
    if hasattr(backbone.config, "use_cache"):
        backbone.config.use_cache = False  # a decoder would keep keys and values for tokens that never come
    if config.dropout is not None:
        _set_dropout(backbone, config.dropout)
    if config.bidirectional:
        _attend_both_ways(backbone)
    if config.gradient_checkpointing:
        _checkpoint_layers(backbone)
    if config.lora is not None:
        backbone = add_lora(backbone, config.lora)
    if (pooler := getattr(backbone, "pooler", None)) is not None:
        pooler.requires_grad_(False)  # BERT's own, which no loss reaches: data-parallel training would wait for it
    return backbone


def _automatic(source: Path, config: EncoderConfig) -> Any:
    """What loads the transformer: of an encoder-decoder the encoder alone, where transformers has it."""
    from transformers import AutoModel, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    settings = folder.load_settings(source, "encoder.name", config.name)
    if type(settings) in MODEL_FOR_TEXT_ENCODING_MAPPING:
        half: Any = MODEL_FOR_TEXT_ENCODING_MAPPING[type(settings)]
        return AutoModelForTextEncoding if half.__name__.endswith("EncoderModel") else AutoModel  # T5EncoderModel
    if getattr(settings, "is_encoder_decoder", False):
        expected = f"an encoder or a decoder; of {settings.model_type}, which is both, no half runs alone"
        raise ConfigError("encoder.name", expected, config.name)
    return AutoModel


def _check_reads_text(backbone: Any, config: EncoderConfig) -> None:
    """Two tokens are read, so that a model of pictures or sound is refused before data is prepared."""
    if config.attention == "flash_attention_2":
        return  # needs a GPU
    try:
        with torch.inference_mode():
            states = backbone(input_ids=torch.tensor([[1, 2]]), attention_mask=torch.ones(1, 2)).last_hidden_state
        read = states.shape[:2] == (1, 2)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        expected = f"a model that reads text ({folder.reason(error)})"
        raise ConfigError("encoder.name", expected, f"{config.name}: {type(backbone).__name__}") from error
    if not read:
        expected = "a model with a state for every token"
        raise ConfigError("encoder.name", expected, f"{config.name}: {type(backbone).__name__}")


def load_head(paths: Sequence[Path], config: EncoderConfig, said: SentenceFolder) -> torch.nn.Sequential:
    """The linear layers of a folder behind the pooling; that which only cuts vectors of an export is left out.

    Raises:
        ConfigError: One cannot be loaded, or its weights are not numbers.
    """
    layers: list[Any] = []
    if paths:
        from sentence_transformers.sentence_transformer.modules import Dense

        for path in paths:
            with folder.loading("encoder.name", config.name, f"a model whose {path.name}"):
                layers.append(Dense.load(str(path.parent), subfolder=path.name))
            if broken := [name for name, weight in layers[-1].named_parameters() if not weight.isfinite().all()]:
                expected = f"a model whose weights are numbers ({path.name}: {broken[0]} is not)"
                raise ConfigError("encoder.name", expected, config.name)
        if said.trained is not None and said.trained.get("dimension") is not None and _only_cuts(layers[-1]):
            layers.pop()
    head = torch.nn.Sequential(*layers).to(getattr(torch, config.dtype))
    return head.requires_grad_(config.lora is None)


def _only_cuts(layer: Any) -> bool:
    weight = layer.linear.weight
    return layer.linear.bias is None and torch.equal(weight, torch.eye(*weight.shape, dtype=weight.dtype))


def _attend_both_ways(backbone: Any) -> None:
    """Let every token of a decoder see those after it; a sliding window of W opens to W tokens on both sides.

    Source: LLM2Vec (arXiv 2404.05961), NV-Embed (arXiv 2405.17428). transformers makes its masks by
    `config.is_causal`, which travels in `config.json`. Models with masks of their own ignore it, hence the trial.
    """
    backbone.config.is_causal = False
    wanted = backbone.config._attn_implementation
    backbone.set_attn_implementation("eager")  # weights lie on the CPU here, where flash attention cannot be tried
    try:
        with torch.inference_mode():
            first, second = (backbone(input_ids=torch.tensor([[1, 2, last]])).last_hidden_state for last in (3, 4))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise _one_way(backbone) from error
    finally:
        backbone.set_attn_implementation(wanted)
    if torch.allclose(first[:, :2], second[:, :2], rtol=1e-4, atol=1e-4):
        raise _one_way(backbone)


def _one_way(backbone: Any) -> ConfigError:
    return ConfigError("encoder.bidirectional", f"false, since {type(backbone).__name__} only looks back", True)


def _checkpoint_layers(backbone: Any) -> None:
    try:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        expected = f"false, since {type(backbone).__name__} cannot compute its layers anew"
        raise ConfigError("encoder.gradient_checkpointing", expected, True) from error


def _set_dropout(model: torch.nn.Module, share: float) -> None:
    """Set every dropout of a model, attention's included."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        if isinstance(getattr(module, "attention_dropout", None), float):  # a number that attention functions are given
            module.attention_dropout = share  # type: ignore[assignment]  # torch types every attribute as a module


def positions(backbone: Any) -> int:
    """Most tokens that a backbone can place.

    RoBERTa and its kin number positions from `padding_idx + 1`, so that a table of 514 rows reads 512 tokens.
    """
    rows = getattr(backbone.config, "max_position_embeddings", None) or 1 << 30
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(rows - module.padding_idx - 1)
    return int(rows)


def _not_loaded(attention: str, error: BaseException) -> ConfigError:
    return ConfigError("encoder.attention", f"an attention that can be loaded ({folder.reason(error)})", attention)
