"""The transformer of an encoder: loaded, set up as its settings ask, and how it numbers the positions of tokens."""

from pathlib import Path
from typing import Any

import torch

from embedder.encoders.config import EncoderConfig
from embedder.encoders.lora import add_lora
from embedder.errors import ConfigError
from embedder.models.folder import load_settings
from embedder.models.loading import reason
from embedder.models.packages import verify_sha256
from embedder.models.weights import load_weights


def load_backbone(source: Path, config: EncoderConfig) -> Any:
    """The transformer with attention, data type, adapters and checkpointing as the settings ask.

    Raises:
        ConfigError: The transformer cannot be loaded, or cannot do what the settings ask for.
        DataError: Its weights have another digest than `encoder.sha256`.
    """
    if config.sha256 is not None and config.name.startswith("package:"):
        verify_sha256(source / "model.safetensors", config.sha256)
    auto = _auto_class(source, config)
    attention = {} if config.attention == "auto" else {"attn_implementation": config.attention}
    settings = {"dtype": getattr(torch, config.dtype), **attention}
    try:
        backbone = load_weights(auto, source, "encoder.name", config.name, "a model", **settings)
    except ImportError as error:
        raise _attention_error(config.attention, error) from error
    except ConfigError as error:
        if attention and error.__cause__ is not None and "attention" in str(error.__cause__):
            raise _attention_error(config.attention, error.__cause__) from error
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


def _auto_class(source: Path, config: EncoderConfig) -> Any:
    """The class of transformers that loads the model: of an encoder-decoder its encoder alone, where there is one."""
    from transformers import AutoModel, AutoModelForTextEncoding
    from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

    settings = load_settings(source, "encoder.name", config.name)
    if type(settings) in MODEL_FOR_TEXT_ENCODING_MAPPING:
        encoder: Any = MODEL_FOR_TEXT_ENCODING_MAPPING[type(settings)]
        return AutoModelForTextEncoding if encoder.__name__.endswith("EncoderModel") else AutoModel  # T5EncoderModel
    if getattr(settings, "is_encoder_decoder", False):
        expected = f"an encoder or a decoder; of {settings.model_type}, which is both, no half runs alone"
        raise ConfigError("encoder.name", expected, config.name)
    return AutoModel


def _check_reads_text(backbone: Any, config: EncoderConfig) -> None:
    """Let the model read two tokens, so that one of pictures or sound is refused before data is prepared."""
    if config.attention == "flash_attention_2":
        return  # needs a GPU
    got = f"{config.name}: {type(backbone).__name__}"
    try:
        with torch.inference_mode():
            states = backbone(input_ids=torch.tensor([[1, 2]]), attention_mask=torch.ones(1, 2)).last_hidden_state
        has_state_for_every_token = states.shape[:2] == (1, 2)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ConfigError("encoder.name", f"a model that reads text ({reason(error)})", got) from error
    if not has_state_for_every_token:
        raise ConfigError("encoder.name", "a model with a state for every token", got)


def _checkpoint_layers(backbone: Any) -> None:
    try:
        backbone.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        expected = f"false, since {type(backbone).__name__} cannot compute its layers again"
        raise ConfigError("encoder.gradient_checkpointing", expected, True) from error


def _set_dropout(model: torch.nn.Module, share: float) -> None:
    """Set every dropout of a model, attention's included."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        if isinstance(getattr(module, "attention_dropout", None), float):  # a number that attention functions are given
            module.attention_dropout = share  # type: ignore[assignment]  # torch types every attribute as a module


def _attention_error(attention: str, error: BaseException) -> ConfigError:
    return ConfigError("encoder.attention", f"an attention that can be loaded ({reason(error)})", attention)


def _attend_both_ways(backbone: Any) -> None:
    """Let every token of a decoder see those after it; a sliding window of W opens to W tokens on both sides.

    Source: LLM2Vec (arXiv 2404.05961), NV-Embed (arXiv 2405.17428). transformers makes its masks by
    `config.is_causal`, which travels in `config.json`. Models with masks of their own ignore it, hence the trial.
    """
    refused = ConfigError("encoder.bidirectional", f"false, since {type(backbone).__name__} only looks back", True)
    backbone.config.is_causal = False
    wanted = backbone.config._attn_implementation
    backbone.set_attn_implementation("eager")  # weights lie on the CPU here, where flash attention cannot be tried
    try:
        with torch.inference_mode():
            first, second = (backbone(input_ids=torch.tensor([[1, 2, last]])).last_hidden_state for last in (3, 4))
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise refused from error
    finally:
        backbone.set_attn_implementation(wanted)
    if torch.allclose(first[:, :2], second[:, :2], rtol=1e-4, atol=1e-4):
        raise refused


def first_position(backbone: Any) -> int:
    """The number of the first token: RoBERTa and similar models count from `padding_idx + 1`, others from 0."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0


def most_tokens(backbone: Any) -> int:
    """Tokens that a backbone can number: RoBERTa's table of 514 rows reads 512."""
    rows = getattr(backbone.config, "max_position_embeddings", None) or 1 << 30
    return int(rows) - first_position(backbone)
