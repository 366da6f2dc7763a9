"""An encoder that knows where the vectors of corpora lie, so that no corpus is encoded twice, in whichever run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embedder.processes import ALONE, Processes
from embedder.types import Encoder, FloatArray, Keys, Reading
from embedder.vectors.encoding import Encoding
from embedder.vectors.settings import VectorSettings
from embedder.vectors.stored import StoredVectors


@dataclass(frozen=True)
class StoredEncoder:
    """Implements `embedder.types.CorpusEncoder`: queries are few and encoded each time, corpora lie on disk.

    Args:
        encoder: What makes the vectors.
        made_by: What its vectors depend on beside texts and reading.
        settings: Where they lie, and in which form.
        processes: Who encodes; all of them have to encode the same corpora in the same order.
        encode_elsewhere: Has other processes encode, and gives the vectors; None where these do.
        for_one_step: Whether no other run looks for the vectors: each process gets a shard even of a small corpus, and
            no index is kept beside them.
    """

    encoder: Encoder
    made_by: Mapping[str, Any]
    settings: VectorSettings
    processes: Processes = ALONE
    encode_elsewhere: Callable[[Encoding], StoredVectors] | None = None
    for_one_step: bool = False

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.encoder.dimension

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; see `Encoder`."""
        return self.encoder.encode(texts, reading, progress=progress)

    def vectors(self, keys: Keys, reading: Reading, *, progress: bool = False) -> StoredVectors:
        """The vectors of a corpus; what is missing is encoded."""
        settings = self.settings.shared(len(keys), self.processes.size) if self.for_one_step else self.settings
        encoding = Encoding(self.encoder, self.made_by, keys, reading, settings)
        if self.encode_elsewhere is not None:
            return self.encode_elsewhere(encoding)
        return replace(encoding.run(self.processes, progress=progress), for_one_step=self.for_one_step)
