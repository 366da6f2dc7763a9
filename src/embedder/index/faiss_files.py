"""Indexes of FAISS as files: written whole, read into memory or mapped, and several of them searched as one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embedder.errors import DataError, reading
from embedder.index.faiss_package import faiss_module, reason
from embedder.sealed import sealed_file


def write_index(index: Any, path: Path) -> None:
    """Write an index, sealed: FAISS itself reads it too, and does not look behind its end."""
    faiss = faiss_module()
    with sealed_file(path) as file:  # FAISS's own writer loses the end of a file on a full disk, and says nothing
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
    with reading(path, "not a FAISS index", RuntimeError, said=reason):
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise DataError(path, None, "this index ranks by a distance, not by the inner product")
    return index


def can_merge(index: Any) -> bool:
    """Whether files of this kind of index can be merged: lists and codes, but no graphs, nor codes behind a PCA."""
    faiss = faiss_module()
    return isinstance(index, faiss.IndexRefine | faiss.IndexFlatCodes) or faiss.try_extract_index_ivf(index) is not None


def merged(empty: Path, parts: Sequence[Path]) -> Any:
    """One index in memory of the vectors of several; positions count on.

    Args:
        empty: The trained index.
        parts: Filled copies of it.

    Raises:
        DataError: A part is no copy of it: the same code would mean two vectors. FAISS itself compares lists alone.
    """
    faiss, index = faiss_module(), read_index(empty, mapped=False)
    trained = faiss.serialize_index(index)
    for path in parts:
        part = read_index(path, mapped=False)
        try:
            _merge(index, part)  # what is left of the part is what it was trained to
            why = "" if np.array_equal(faiss.serialize_index(part), trained) else "other values"
        except RuntimeError as error:
            why = reason(error)
        if why:
            told = f"trained apart from {empty.name} ({why}): delete index-*.faiss in its folder, and build it again"
            raise DataError(path, None, told)
    return index


def _merge(index: Any, other: Any) -> None:
    faiss = faiss_module()
    if isinstance(index, faiss.IndexRefine):  # FAISS would move its lists and leave what refines them
        for part in ("base_index", "refine_index"):
            _merge(faiss.downcast_index(getattr(index, part)), faiss.downcast_index(getattr(other, part)))
        index.ntotal, other.ntotal = index.ntotal + other.ntotal, 0
    elif faiss.try_extract_index_ivf(index) is not None:
        faiss.merge_into(index, other, True)
    else:
        index.merge_from(other)


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
