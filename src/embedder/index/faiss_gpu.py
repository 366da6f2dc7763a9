"""An index of FAISS on the GPUs of this machine."""

import logging
from typing import Any

from embedder.errors import ConfigError
from embedder.index.faiss_package import faiss_module, installed_faiss, reason

logger = logging.getLogger(__name__)


def check_gpus() -> None:
    """Whether the installed FAISS can search on a GPU here.

    Raises:
        ConfigError: It is a build without GPUs, or there is none.
    """
    faiss = faiss_module()
    if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0:
        return
    has = ", ".join(f"{name} {version}" for name, version in installed_faiss().items()) or "faiss"
    raise ConfigError(
        "index.gpu", f"false, because {has} sees no GPU here (docs/indexes.md says how to change over)", True
    )


def on_all_gpus(index: Any) -> Any:
    """A copy of an index that is shared out over all GPUs, each with a part of the vectors, in half precision.

    Raises:
        ConfigError: This kind of index has no form for GPUs.
    """
    faiss = faiss_module()
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True
    options.useFloat16 = True  # vectors of a flat index
    options.useFloat16CoarseQuantizer = False
    options.usePrecomputed = False
    try:
        copied = faiss.index_cpu_to_all_gpus(index, options)
    except RuntimeError as error:
        expected = f"false, because this kind of index cannot be searched on a GPU ({reason(error)})"
        raise ConfigError("index.gpu", expected, True) from error
    logger.info("%d vectors are searched on %d GPUs", index.ntotal, faiss.get_num_gpus())
    return copied
