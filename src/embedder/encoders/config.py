"""Which encoder to train or to load, and how it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from embedder.bounds import PositiveFloat, PositiveInt, ShareBelowOne
from embedder.checks import checked
from embedder.encoders.lora import LoraSettings
from embedder.encoders.pooling import PoolingName
from embedder.errors import ConfigError


@checked("encoder")
@dataclass(frozen=True)
class EncoderConfig:
    """What encoder to train or to load.

    Args:
        name: A Hugging Face name, a directory, or `package:module/path` for a model inside an installed package.
        revision: Commit or tag of a Hugging Face name.
        pooling: `cls`, `mean` or `last`; None for what the folder says (`modules.json`), or `mean` where it says
            nothing. Where `last` is set here, EOS is appended to texts that end with no such token.
        lr: The base learning rate that suits this encoder.
        sha256: The digest that `model.safetensors` of a `package:` model must have; None does not check.
        encode_tokens: Tokens taken together when encoding a corpus.
        micro_batch_tokens: Token budget of one forward pass; None for 2,048 on a CPU, 32,768 on a GPU.
        unpadded: On a CPU, run texts without padding where the transformer can; false pads to texts of like length.
        cached_gradients: Keep the vectors of a batch and none of its activations, and run each forward pass again for
            its gradient: large batches in little more than the memory of one pass, for about a third more time.
            Source: Gao et al., RepL4NLP 2021 (arXiv 2101.06983), gradient caching.
        dropout: Of all layers in training; None for what the model's own configuration says. At 0 a run does not depend
            on the number of processes.
        device: Where it runs outside of training: `auto` (the first GPU if there is one) or a device of torch.
        shared: One transformer for queries and keys; false trains one for each, from the same start.
        trainable: `both` sides, or `query`: keys stay those of the base encoder, so that an index of them stays valid.
            Without adapters, queries get a transformer of their own, which starts as that of the keys; with `lora`,
            queries go through the adapters and keys go past them. Keys are read with the prompt and the length of the
            model's own folder.
        key_instruction: With `trainable: query`, what the index has in front of every key where the folder of the
            model does not say it; None for what the folder says.
        bidirectional: Let the tokens of a decoder see those after them too.
        dtype: Of the weights: `float32`, or `bfloat16` for large decoders (adapters stay in float32).
        attention: `sdpa`, `eager` or `flash_attention_2`; `auto` leaves it to transformers.
        gradient_checkpointing: Compute the layers again in the backward pass rather than keep their activations.
        lora: Train adapters of these settings rather than the weights; None trains the weights. A mapping will do.
        dimension: Cut vectors to so many of their first numbers; None keeps those that the folder keeps.
        dimensions: The cuts that training averages its loss over, largest first; None trains the whole vector only.
    """

    name: str
    pooling: PoolingName | None = None
    lr: PositiveFloat = 2e-5
    revision: str | None = None
    sha256: str | None = None
    encode_tokens: PositiveInt = 8192
    micro_batch_tokens: PositiveInt | None = None
    unpadded: bool = True
    cached_gradients: bool = False
    dropout: ShareBelowOne | None = None
    device: str = "auto"
    shared: bool = True
    trainable: Literal["both", "query"] = "both"
    key_instruction: str | None = None
    bidirectional: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    gradient_checkpointing: bool = False
    lora: LoraSettings | None = None
    dimension: PositiveInt | None = None
    dimensions: Sequence[int] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.lora, Mapping):  # from YAML, a checkpoint or a command line
            if unknown := set(self.lora) - (names := {field.name for field in fields(LoraSettings)}):
                raise ConfigError("encoder.lora", f"settings named {', '.join(sorted(names))}", sorted(unknown))
            object.__setattr__(self, "lora", LoraSettings(**self.lora))
        if self.key_instruction is not None and self.trainable == "both":
            expected = "null unless encoder.trainable=query (otherwise a task says it: tasks.NAME.key_instruction)"
            raise ConfigError("encoder.key_instruction", expected, self.key_instruction)
        if self.dimensions is not None and not _falling(self.dimensions):
            raise ConfigError("encoder.dimensions", "null or falling whole numbers, 1 or more", self.dimensions)


def _falling(dimensions: Sequence[int]) -> bool:
    kept = list(dimensions)
    whole = all(type(dimension) is int and dimension >= 1 for dimension in kept)
    return bool(kept) and whole and kept == sorted(set(kept), reverse=True)
