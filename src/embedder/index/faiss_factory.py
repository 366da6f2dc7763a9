"""An index of FAISS from its factory string: how many lists it has, and how many vectors it is trained on."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from embedder.errors import ConfigError
from embedder.index.faiss_package import faiss_module, reason

logger = logging.getLogger(__name__)

_FEWEST, _MOST = 39, 64  # training vectors a centroid; FAISS warns below the first
_TRAINING_BYTES = 1 << 30
_CENTROIDS = 256  # of a product quantizer


def new_index(factory: str, dimension: int, count: int) -> Any:
    """An empty index for the inner product.

    Args:
        factory: Of FAISS; `IVFn` stands for as many lists as suit the number of vectors.
        dimension: Length of a vector.
        count: How many vectors are expected.

    Raises:
        ConfigError: FAISS does not know the factory, or it does not fit the dimension.
    """
    faiss = faiss_module()
    try:
        index = faiss.index_factory(dimension, with_lists(factory, count), faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        expected = f"a FAISS factory string for {dimension} dimensions ({reason(error)})"
        raise ConfigError("index.factory", expected, factory) from error
    inverted = _inverted(index)
    parts: list[Any] = [index, inverted, getattr(index, "pq", None), getattr(inverted, "pq", None)]
    for part in parts:
        if hasattr(part, "cp"):
            part.cp.min_points_per_centroid = 1  # FAISS would warn for each part of a vector, `training_size` does once
    return index


def with_lists(factory: str, count: int) -> str:
    """The factory string with a number in place of the n of `IVFn`.

    It is the power of two next to 4 times the root of the number of vectors, which balances the comparisons with
    centroids and with vectors, or fewer, so that each list has 39 vectors to be trained on.

    Source: the guidelines of FAISS (4 to 16 times the root of the number of vectors).

    >>> with_lists("IVFn,SQ8", 1_000_000), with_lists("IVFn,SQ8", 1000), with_lists("Flat", 1000)
    ('IVF4096,SQ8', 'IVF16,SQ8', 'Flat')
    """
    wanted = 2 ** round(math.log2(4 * math.sqrt(max(count, 1))))
    most = max(1, count // _FEWEST)
    return re.sub(r"\bIVFn(?=[,_]|$)", f"IVF{min(wanted, 2 ** int(math.log2(most)))}", factory)


def training_size(index: Any, count: int) -> int:
    """Vectors that an untrained index learns from: 64 for each of its centroids within 1 GB, but no fewer than 39.

    Args:
        index: Of FAISS.
        count: How many vectors there are.
    """
    inverted = _inverted(index)
    lists = 1 if inverted is None else int(inverted.nlist)
    centroids = max(lists, _CENTROIDS) if hasattr(index if inverted is None else inverted, "pq") else lists
    fewest = _FEWEST * centroids
    if count < fewest:
        logger.warning("%d vectors are few to train %d centroids on: %d are recommended", count, centroids, fewest)
    return min(count, max(fewest, min(_MOST * centroids, _TRAINING_BYTES // (4 * int(index.d)))))


def _inverted(index: Any) -> Any:
    """The lists in an index, as what they are: FAISS hands over their common base, which has no product quantizer."""
    faiss = faiss_module()
    found = faiss.try_extract_index_ivf(index)
    return None if found is None else faiss.downcast_index(found)


def configure(index: Any, settings: Mapping[str, int | None]) -> None:
    """Set how an index searches.

    Args:
        index: Of FAISS.
        settings: By the names of settings: `nprobe`, `ef_search`, `k_factor`; None keeps what the index has.

    Raises:
        ConfigError: The index has no such setting.
    """
    for name, value in settings.items():
        if value is None:
            continue
        known_as = {"ef_search": "efSearch", "k_factor": "k_factor_rf"}.get(name, name)
        try:
            faiss_module().ParameterSpace().set_index_parameter(index, known_as, value)
        except RuntimeError as error:
            raise ConfigError(f"index.{name}", f"null, for this index has no {name}", value) from error
