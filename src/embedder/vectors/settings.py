"""Where vectors of keys lie, and in which form."""

from dataclasses import dataclass, replace
from typing import Literal

from embedder.bounds import PositiveInt
from embedder.checks import checked


@checked("vectors")
@dataclass(frozen=True)
class VectorSettings:
    """Where vectors of keys lie, and in which form.

    Args:
        directory: A folder for each encoder and way of reading is made in it.
        dtype: `float16` takes half of the disk; a number of a unit vector changes by 0.0003 at most.
        shard_size: Keys of a file. So many texts and vectors are in memory at a time, a run that is killed loses the
            shard that it was at, and each process encodes whole shards.
        encode: Encode what is not there. False refuses it, and names what differs from what is there: another encoder,
            instruction or length, or other texts.
    """

    directory: str
    dtype: Literal["float32", "float16"] = "float32"
    shard_size: PositiveInt = 4096
    encode: bool = True

    def shared(self, n_keys: int, n_processes: int) -> "VectorSettings":
        """With shards so small that each process gets one.

        >>> VectorSettings("v", shard_size=4096).shared(2000, 8).shard_size
        250
        """
        return replace(self, shard_size=max(1, min(self.shard_size, -(-n_keys // n_processes))))

    @property
    def protocol(self) -> dict[str, str]:
        """What scores and candidates depend on; empty for numbers as the encoder gives them."""
        return {} if self.dtype == "float32" else {"vectors.dtype": self.dtype}
