"""The public API: a trained retriever that encodes, builds an index of keys, searches it, and is saved with it."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Self

from embedder.checks import check_value
from embedder.encoders.checkpoint import TrainedEncoder, load_trained
from embedder.encoders.key_side import keys_of
from embedder.encoders.push import push_to_hub
from embedder.errors import ConfigError, DataError
from embedder.index.array_vectors import ArrayVectors
from embedder.index.bm25_index import BM25Index
from embedder.index.faiss_index import FaissIndex
from embedder.index.fill import fill_index
from embedder.index.fusion import HYBRID_DEPTH, blended
from embedder.models.device import torch_device
from embedder.replaced import read_as_one, state_of
from embedder.search.folder import MODEL, Saved, is_saved, read_saved, write_saved
from embedder.search.keys import AnyKey, Hit, checked_texts, path_of, rows_of, text_of
from embedder.shown import nearest
from embedder.types import FloatArray, IntArray, Key, TaskSides
from embedder.vectors.encoding import Encoding
from embedder.vectors.settings import VectorSettings


def load(path: Path | str, *, device: str = "auto") -> "Retriever":
    """Open a retriever.

    Example:
        ```python
        import embedder

        retriever = embedder.load("outputs/train/.../export")
        retriever.index(["The lighthouse was built by Oru.", {"title": "Oru", "text": "A river in the north."}])
        hit = retriever.search(["Who built the lighthouse?"], k=1)[0][0]
        print(hit.rank, hit.score, hit.text)
        ```

    Args:
        path: A checkpoint (`.ckpt`), the folder `export/` of a training run, a folder that `Retriever.save` wrote, or
            any sentence-transformers folder.
        device: Where the encoder runs: `auto` (the first GPU if there is one) or a device of torch.

    Raises:
        DataError: It is none of these, was damaged, or gives other vectors than when it was written.
        ConfigError: There is no such path or device.
    """
    check_value("device", device, str)
    chosen, folder = torch_device(device, "device"), path_of(path)
    retriever = read_as_one(folder, lambda: _load(folder))
    if device != "auto":
        retriever._trained.encoder.to(chosen)  # type: ignore[attr-defined]  # both kinds of encoder have it
    return retriever


def _load(folder: Path) -> "Retriever":
    saved = read_saved(folder) if is_saved(folder) else None
    model = folder if saved is None else folder / MODEL
    return Retriever(load_trained(model), model, saved)


class Retriever:
    """An encoder with the instructions of its tasks, and an index of keys once there is one; `embedder.load` makes it.

    The instruction and the length of the task are always applied. With one task, or with a model of others, which has
    its own prompts, `task` is left out.

    Args:
        trained: The encoder and how it reads each task.
        source: The file or folder it was loaded from.
        saved: The index that lay beside it.
    """

    def __init__(self, trained: TrainedEncoder, source: Path, saved: Saved | None = None) -> None:
        self._trained, self._source, self._saved = trained, source, saved
        self._state = state_of(source)
        self._words: BM25Index | None = None  # of the same keys, built when a search asks for it

    def __repr__(self) -> str:
        tasks = ", ".join(self.tasks) or "no tasks of its own"
        return f"Retriever({str(self._source)!r}: {tasks}, {self.dimension} dimensions, {len(self)} keys)"

    def __len__(self) -> int:
        """Number of keys in the index."""
        return 0 if self._saved is None else len(self._saved.keys)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it was trained on; none for a model of others."""
        return tuple(self._trained.tasks)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._trained.encoder.dimension

    def encode_queries(self, texts: Sequence[str], task: str | None = None, *, progress: bool = False) -> FloatArray:
        """Unit vectors of queries, float32 [n, D], each read behind the instruction of the task.

        Args:
            texts: The queries.
            task: One of `tasks`; may be left out where there is one.
            progress: Show a bar.

        Raises:
            ConfigError: `task` is missing or unknown, or something is not a text.
        """
        reading = self._sides(task).query
        return self._trained.encoder.encode(checked_texts(texts, "texts"), reading, progress=progress)

    def encode_keys(self, keys: Iterable[AnyKey], task: str | None = None, *, progress: bool = False) -> FloatArray:
        """Unit vectors of keys, float32 [n, D]; title and text are joined as in training.

        Args:
            keys: Texts, or mappings with `text` and maybe `title`.
            task: One of `tasks`; may be left out where there is one.
            progress: Show a bar.

        Raises:
            ConfigError: `task` is missing or unknown, or something is no key.
        """
        texts = [text_of(row) for row in rows_of(keys)]
        return self._trained.encoder.encode(texts, self._sides(task).key, progress=progress)

    def index(
        self, keys: Iterable[AnyKey], task: str | None = None, *, factory: str = "Flat", progress: bool = False
    ) -> Self:
        """Encode keys and build an index of them, in place of the one that there was; returns the retriever.

        Args:
            keys: Texts, or mappings with `text`, maybe `title`, and any other values, which a hit gives back.
            task: One of `tasks`; may be left out where there is one. Queries of `search` are read for the same task.
            factory: Of FAISS: `Flat` is exact, `IVF256,SQ8` small, `HNSW32` fast.
            progress: Show a bar.

        Raises:
            ConfigError: `task` is missing or unknown, something is no key, there are none, or the factory is unknown.
        """
        reading, rows = self._sides(task).key, rows_of(keys)
        if not rows:
            raise ConfigError("keys", "one or more keys", rows)
        index = FaissIndex(factory)
        numbered = [Key(str(number), text_of(row)) for number, row in enumerate(rows)]
        encoding = Encoding(self._trained.encoder, {}, numbered, reading, VectorSettings(""))
        fill_index(index, ArrayVectors(encoding.in_memory(progress=progress)))
        self._saved, self._words = Saved(self._task(task), rows, index), None
        return self

    def use_index(self, folder: Path | str, task: str | None = None) -> Self:
        """Search an index that another retriever saved, whose keys are read by the same weights in the same way.

        A retriever that was trained with `encoder.trainable=query` searches the index of its base encoder.

        Args:
            folder: What `Retriever.save` of the other one wrote.
            task: One of `tasks`; may be left out where there is one. Queries of `search` are read for it.

        Raises:
            DataError: The folder is none, or its keys were encoded by other weights, with another instruction, or cut
                at another length.
        """
        folder = path_of(folder, "folder")
        if not is_saved(folder):
            raise DataError(folder, None, "not a folder that Retriever.save wrote")
        saved, other = read_as_one(folder, lambda: (read_saved(folder), load_trained(folder / MODEL)))
        readings = (self._sides(task).key, other.sides_of(saved.task or "").key)
        own, theirs = (keys_of(one.encoder, key) for one, key in zip((self._trained, other), readings, strict=True))
        if own != theirs:
            names = [name for name in own if own[name] != theirs[name]]
            differing = "; ".join(f"{name} is {theirs[name]!r} there, {own[name]!r} here" for name in names)
            raise DataError(folder, None, f"its keys were encoded in another way ({differing}): index the keys again")
        self._saved, self._words = Saved(self._task(task), saved.keys, saved.index), None
        return self

    def search(self, queries: Sequence[str], k: int = 10, *, dense_share: float = 1.0) -> list[list[Hit]]:
        """The best keys of each query, best first; fewer than `k` where the index has fewer.

        Args:
            queries: Texts.
            k: Keys of a query, at most.
            dense_share: Below 1, BM25 finds keys too, and the scores of both are blended as in the row `hybrid` of an
                evaluation, with so much for the encoder. Scores then lie between 0 and 1. The first such search reads
                all keys.

        Raises:
            ConfigError: There is no index yet, `k` is below 1, `dense_share` is no share, or something is not a text.
        """
        saved = self._indexed()
        if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
            raise ConfigError("k", "a whole number, 1 or more", k)
        if not 0 <= dense_share <= 1:
            raise ConfigError("dense_share", "a share from 0 to 1", dense_share)
        wanted = min(int(k), len(saved.keys))
        depth = wanted if dense_share == 1 else min(max(wanted, HYBRID_DEPTH), len(saved.keys))
        found = _found(saved.index.search(self.encode_queries(queries, saved.task), depth))
        if dense_share < 1:
            by_words = _found(self._lexical(saved).search(queries, depth))
            shares = [1 - dense_share, dense_share]
            found = [blended(pair, shares) for pair in zip(by_words, found, strict=True)]
        return [
            [Hit(rank, score, saved.keys[position]) for rank, (position, score) in enumerate(one.items(), 1)][:wanted]
            for one in found
        ]

    def _lexical(self, saved: Saved) -> BM25Index:
        """BM25 over the keys of the index."""
        if self._words is None:
            self._words = BM25Index()
            self._words.build(text_of(saved.keys[position]) for position in range(len(saved.keys)))
        return self._words

    def save(self, path: Path | str) -> Path:
        """Write the encoder with its index and its keys as one folder, which `embedder.load` opens.

        The folder appears whole or not at all, with digests of its files: weights as safetensors, the index as FAISS
        writes it, keys as JSON Lines. An older one is replaced.

        Returns:
            The folder.

        Raises:
            ConfigError: There is no index yet, a key holds what JSON cannot, or another kind of folder is there.
            DataError: The model was replaced since it was loaded.
        """
        folder = path_of(path)
        write_saved(folder, self._trained, self._source, self._state, self._indexed())
        if folder in self._source.parents:  # its own files were replaced, by copies of them
            self._state = state_of(self._source)
        return folder

    def push_to_hub(self, repository: str, *, private: bool = True) -> str:
        """Upload the export that it was loaded from, with its model card, to a Hugging Face hub.

        Args:
            repository: `USER/NAME`, which is made if it does not exist.
            private: Whether a repository that is made here is seen by its owner only.

        Returns:
            The address of the commit.

        Raises:
            ConfigError: The repository is not named so.
            DataError: It was not loaded from an export, or this was damaged or replaced since.
        """
        if state_of(self._source) != self._state:
            raise DataError(self._source, None, "replaced after it was loaded: load it again")
        return push_to_hub(self._source, repository, private=private)

    def _indexed(self) -> Saved:
        if self._saved is None:
            raise ConfigError("the index", "one: call index(keys) first, or load a folder that save() wrote", None)
        return self._saved

    def _task(self, task: str | None) -> str | None:
        """The task that is meant; None for a model of others."""
        known = self.tasks
        if self._trained.sides is not None:
            return None
        if task is None and len(known) == 1:
            return known[0]
        if task not in known:
            near = "" if task is None else nearest(str(task), list(known))
            raise ConfigError("task", f"one of {', '.join(known)}, which the model was trained on{near}", task)
        return task

    def _sides(self, task: str | None) -> TaskSides:
        return self._trained.sides_of(self._task(task) or "")


def _found(result: tuple[FloatArray, IntArray]) -> list[dict[int, float]]:
    """Position -> score of each query, best first, without the places where an index found nothing."""
    return [
        {int(position): float(score) for score, position in zip(*row, strict=True) if position >= 0}
        for row in zip(*result, strict=True)
    ]
