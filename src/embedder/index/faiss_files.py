"""Indexes of FAISS as files: written whole, read into memory or mapped, and several of them searched as one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedder.errors import DataError
from embedder.files import whole_file
from embedder.index.faiss_package import faiss_module, reason


def write_index(index: Any, path: Path) -> None:
    """Write an index; a reader sees the old file or the new one, never half of it."""
    faiss = faiss_module()
    with whole_file(path) as file:  # FAISS's own writer loses the end of a file on a full disk, and says nothing
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))


def size_of(index: Any) -> int:
    """Bytes of the file of an index, which is not written."""
    faiss, size = faiss_module(), 0

    def count(block: bytes) -> int:
        nonlocal size
        size += len(block)
        return len(block)

    faiss.write_index(index, faiss.PyCallbackIOWriter(count))
    return size


def read_index(path: Path, *, mapped: bool) -> Any:
    """Read an index.

    Args:
        path: Of the file.
        mapped: Leave vectors, codes and lists on the disk, to be read as they are searched. Nothing can be added then.

    Raises:
        DataError: The file is missing, is not an index of FAISS or was damaged, or ranks by a distance.
    """
    faiss = faiss_module()
    if not path.is_file():
        raise DataError(path, None, "there is no such index")
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except RuntimeError as error:
        raise DataError(path, None, f"not a FAISS index ({reason(error)})") from error
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise DataError(path, None, "this index ranks by a distance, not by the inner product")
    return index


def merge_into(index: Any, other: Any, path: Path) -> None:
    """Move the vectors of another index behind those of this one.

    Args:
        index: In memory.
        other: Trained on the same vectors; it is empty afterwards.
        path: The file of the other one.

    Raises:
        DataError: They were trained apart, so that the same code would mean two vectors, or are of different kinds.
    """
    faiss = faiss_module()
    learned, others = _learned(index), _learned(other)
    if len(learned) != len(others) or not all(map(np.array_equal, learned, others)):
        raise DataError(path, None, "trained apart from the first one: train once, save, and fill copies of that")
    try:
        if isinstance(index, faiss.IndexRefine):  # FAISS would move its lists and leave what refines them
            for part in ("base_index", "refine_index"):
                merge_into(faiss.downcast_index(getattr(index, part)), faiss.downcast_index(getattr(other, part)), path)
            index.ntotal += other.ntotal
        elif faiss.try_extract_index_ivf(index) is not None:
            faiss.merge_into(index, other, True)  # positions count on
        else:
            index.merge_from(other)
    except RuntimeError as error:
        raise DataError(path, None, f"cannot be merged, but searched beside others ({reason(error)})") from error


def side_by_side(indexes: Sequence[Any]) -> Any:
    """Search several indexes as one, each in a thread of its own; positions count on from one to the next."""
    faiss = faiss_module()
    shards = faiss.IndexShards(indexes[0].d, True, True)  # threads, and positions count on
    for index in indexes:
        shards.add_shard(index)
    return shards


def parts_of(index: Any) -> list[Any]:
    """The indexes that are searched side by side; the index itself if it is one."""
    faiss = faiss_module()
    if not isinstance(index, faiss.IndexShards):
        return [index]
    return [faiss.downcast_index(index.at(number)) for number in range(index.count())]


def _learned(index: Any) -> list[Any]:
    """The arrays that an index was trained to."""
    faiss = faiss_module()
    if isinstance(index, faiss.IndexRefine):
        return [x for part in (index.base_index, index.refine_index) for x in _learned(faiss.downcast_index(part))]
    if isinstance(index, faiss.IndexPreTransform):
        chain = [faiss.downcast_VectorTransform(index.chain.at(i)) for i in range(index.chain.size())]
        matrices = [faiss.vector_to_array(step.A) for step in chain if hasattr(step, "A")]
        return [*matrices, *_learned(faiss.downcast_index(index.index))]
    arrays = []
    if isinstance(index, faiss.IndexIVF):
        arrays.append(index.quantizer.reconstruct_n(0, index.nlist))
    if hasattr(index, "pq"):
        arrays.append(faiss.vector_to_array(index.pq.centroids))
    if hasattr(index, "sq"):
        arrays.append(faiss.vector_to_array(index.sq.trained))
    return [np.array([index.d]), *arrays]
