"""Models small enough to be built in a test: 2 layers, and a byte-level tokenizer trained on a few sentences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.lora import LoraSettings

SENTENCES = (
    "Q: Who designed the lighthouse at Oru? A: Maren Tolvik\n",
    "Knowledge:\nThe lighthouse at Oru was designed by Maren Tolvik and finished in 1783.\n\n",
    "What is the capital of Tessaly? Harrowgate has been the capital since the treaty of 1612.\n",
)
ONE_TOKEN = {"eos_token": "<end>", "pad_token": "<end>"}
ROBERTA_TOKENS = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>"}
"""Numbered 0, 1, 2."""


def tiny_tokenizer(directory: Path, special: Mapping[str, str] = ONE_TOKEN) -> None:
    """Save a byte-level BPE tokenizer of at most 320 tokens; it reads any text, and adds no special token by itself."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(dict.fromkeys(special.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(directory)


def tiny_llama(directory: Path, seed: int = 0, max_tokens: int = 512) -> None:
    """Save a 2-layer llama with random weights, large enough for its outputs to differ, for `tiny_tokenizer`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=max_tokens,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    model.save_pretrained(directory)


def tiny_bert(directory: Path, seed: int = 0) -> None:
    """Save a 2-layer BERT with random weights and `tiny_tokenizer` beside it."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=320,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertModel(config)
    model.save_pretrained(directory)
    tiny_tokenizer(directory)


def tiny_backbone(directory: Path, kind: str, special: Mapping[str, str] = ONE_TOKEN, **settings: Any) -> Path:
    """Save a 2-layer model of any kind that transformers knows, with random weights, and `tiny_tokenizer` beside it."""
    import torch
    from transformers import AutoConfig, AutoModel

    names = {
        "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "dropout": 0.0},
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    }
    usual = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    pad = list(dict.fromkeys(special.values())).index(special["pad_token"]) if "pad_token" in special else None
    common = {"vocab_size": 320, "max_position_embeddings": 256, "initializer_range": 0.3, "pad_token_id": pad}
    config = AutoConfig.for_model(kind, **{**common, **names.get(kind, usual), **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModel.from_config(config)
    model.save_pretrained(directory)
    tiny_tokenizer(directory, special)
    return directory


def adapted(directory: Path, **settings: Any) -> TextEncoder:
    """An encoder whose adapters change its vectors: as they start, B is zero."""
    import torch

    encoder = TextEncoder(EncoderConfig(name=str(directory), lora=LoraSettings(r=2, alpha=4.0), **settings))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return encoder


def sentencepiece_tokenizer(directory: Path, kind: str = "prepend") -> None:
    """Save a byte-pair tokenizer as converted from SentencePiece, with `<s>` in front of every text.

    Args:
        directory: Where to save it.
        kind: What puts a space in front of a text: `prepend` (Llama 2, by its normaliser), `metaspace` (by its
            pre-tokeniser, as Mistral and T5 do), or `none` (Gemma).
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = ["When", "was", "the", "harbour", "built", "Q", "A", "Maren", "positive", "negative", "1700", "1712"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    letters = ["▁", *map(chr, range(33, 127))]
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=letters, show_progress=False)
    tokenizer.train_from_iterator(["▁" + "▁".join(words), *words] * 5, trainer)
    trained = tokenizer.model
    tokenizer = Tokenizer(trained)
    tokenizer.add_special_tokens(special[:3])
    spaces = normalizers.Replace(" ", "▁")
    if kind == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), spaces] if kind == "prepend" else [spaces]
        )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    ).save_pretrained(directory)
