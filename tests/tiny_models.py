"""Models small enough to be built in a test: a 2-layer llama and a byte-level tokenizer trained on a few sentences."""

from pathlib import Path

SENTENCES = (
    "Q: Who designed the lighthouse at Oru? A: Maren Tolvik\n",
    "Knowledge:\nThe lighthouse at Oru was designed by Maren Tolvik and finished in 1783.\n\n",
    "What is the capital of Tessaly? Harrowgate has been the capital since the treaty of 1612.\n",
)


def tiny_tokenizer(directory: Path) -> None:
    """Save a byte-level BPE tokenizer of at most 320 tokens; it reads any text, and `<end>` ends one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    special = {"eos_token": "<end>", "pad_token": "<end>"}
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
