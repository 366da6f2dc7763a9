"""The tokenizer of an encoder: fast, padding on the right, with a last token where that is what is pooled."""

from typing import Any

from embedder.encoders.config import EncoderConfig
from embedder.encoders.sentence_folder import SentenceFolder
from embedder.errors import ConfigError
from embedder.models import folder as model_folder


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
