"""Load the transformer and the tokenizer of an encoder, set up as its settings ask."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from embedder.errors import ConfigError
from embedder.models.lora import add_lora
from embedder.models.packages import resolve_model, verify_sha256
from embedder.types import Side

if TYPE_CHECKING:
    from embedder.models.encoder import EncoderConfig


def sources(config: "EncoderConfig") -> dict[Side, str | Path]:
    """Where each side's weights lie: an export of separate encoders has a folder for each.

    Raises:
        ConfigError: A shared encoder is asked for where there are two.
    """
    source = resolve_model(config.name, "encoder.name")
    _check_export(Path(source) / "embedder.json", config)
    routes = Path(source) / "router_config.json"
    if not routes.is_file():
        return {"query": source, "key": source}
    if config.shared:
        raise ConfigError("encoder.shared", f"false, since {config.name} holds an encoder for each side", True)
    structure = json.loads(routes.read_text(encoding="utf-8"))["structure"]
    return {"query": routes.parent / structure["query"][0], "key": routes.parent / structure["document"][0]}


def _check_export(path: Path, config: "EncoderConfig") -> None:
    """What an export of ours was trained with is what it is loaded with: another pooling gives other vectors."""
    if not path.is_file():
        return
    trained = json.loads(path.read_text(encoding="utf-8"))
    trained = trained.get("encoder", {"pooling": trained.get("pooling")})
    for name in ("pooling", "bidirectional", "dimension"):
        if name in trained and trained[name] != (got := getattr(config, name)):
            raise ConfigError(f"encoder.{name}", f"{trained[name]!r}, which {config.name} was trained with", got)


def load_tokenizer(source: str | Path, config: "EncoderConfig") -> Any:
    """A fast tokenizer that pads and cuts on the right, and ends a text with a token where `last` is pooled.

    Raises:
        ConfigError: It cannot be loaded, or nothing can pad or end a text.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=config.revision)
    except (OSError, ValueError) as error:
        raise _not_loaded("encoder.name", config.name, error) from error
    if not tokenizer.is_fast:
        raise ConfigError("encoder.name", "a model with a fast tokenizer (tokenizer.json)", config.name)
    tokenizer.padding_side = tokenizer.truncation_side = "right"  # `forward` cuts padding off on the right
    if tokenizer.pad_token is None:  # of most decoders; what stands there is masked
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token is None:
            raise ConfigError("encoder.name", "a model whose tokenizer has a token to pad or to end with", config.name)
    if config.pooling == "last":
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


def load_backbone(source: str | Path, config: "EncoderConfig") -> Any:
    """The transformer with attention, data type, adapters and checkpointing as the settings ask.

    Raises:
        ConfigError: It cannot be loaded, or cannot do what is asked.
        DataError: Its weights have another digest than `encoder.sha256`.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    if config.sha256 is not None and config.name.startswith("package:"):
        verify_sha256(Path(source) / "model.safetensors", config.sha256)
    attention = {} if config.attention == "auto" else {"attn_implementation": config.attention}
    try:
        backbone: Any = AutoModel.from_pretrained(
            source,
            revision=config.revision,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=getattr(torch, config.dtype),
            **attention,
        )
    except ImportError as error:
        raise _not_loaded("encoder.attention", config.attention, error) from error
    except (OSError, ValueError, SafetensorError) as error:
        if attention and "attention" in str(error):
            raise _not_loaded("encoder.attention", config.attention, error) from error
        raise _not_loaded("encoder.name", config.name, error) from error
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


def _not_loaded(setting: str, got: str, error: BaseException) -> ConfigError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    kind = "a model" if setting == "encoder.name" else "an attention"
    return ConfigError(setting, f"{kind} that can be loaded ({reason})", got)
