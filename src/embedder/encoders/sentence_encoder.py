"""A sentence-transformers model of modules that no encoder here has, such as static vectors, run by its own library."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from embedder.encoders.sentence_files import SentenceFiles
from embedder.errors import ConfigError
from embedder.models.loading import loading
from embedder.types import FloatArray, Reading


class SentenceTransformerEncoder(nn.Module):
    """Any sentence-transformers model as an `Encoder`; its own normalisation is completed to unit vectors.

    Raises:
        ConfigError: It is made of foreign classes, is compared by another similarity, or cannot be loaded.
    """

    def __init__(self, files: SentenceFiles) -> None:
        super().__init__()
        from sentence_transformers import SentenceTransformer

        files.check_similarity()  # and, on the way to it, the classes of its modules
        with loading(files.setting, files.folder, "a sentence-transformers model"):
            safe: dict[str, Any] = {"trust_remote_code": False, "model_kwargs": {"use_safetensors": True}}
            self._model = SentenceTransformer(str(files.folder), local_files_only=True, **safe)
        self.dimension = int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str], reading: Reading, *, progress: bool = False) -> FloatArray:
        """Unit vectors, [n, D]; the model's own maximum length holds if it is smaller.

        Raises:
            ConfigError: `reading` keeps the end of texts, which sentence-transformers cannot.
        """
        if reading.keep == "end":
            raise ConfigError("query_keep", "start, for a model that sentence-transformers itself runs", "end")
        own_length = self._model.max_seq_length
        length = min(own_length or 1 << 30, reading.max_length or own_length or 1 << 30)
        encode = self._model.encode_query if reading.side == "query" else self._model.encode_document
        is_cut = length != own_length  # static vectors have a length without end, which cannot be set
        if is_cut:
            self._model.max_seq_length = length
        try:
            vectors: FloatArray = encode(
                [reading.instruction + text for text in texts],
                prompt="",  # the instruction is already there; a default prompt of the model must not come on top
                normalize_embeddings=True,
                show_progress_bar=progress,
                convert_to_numpy=True,
            )
        finally:
            if is_cut:
                self._model.max_seq_length = own_length
        return vectors.astype("float32")
