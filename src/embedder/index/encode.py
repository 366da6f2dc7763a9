"""Encode a corpus into an index, shard by shard, so that only one shard of vectors is in memory beside the index."""

import logging
import time
from collections.abc import Iterable
from itertools import islice

from embedder.types import Encoder, Reading, VectorIndex

logger = logging.getLogger(__name__)


def index_corpus(
    encoder: Encoder,
    texts: Iterable[str],
    index: VectorIndex,
    reading: Reading,
    *,
    shard_size: int = 50_000,
    progress: bool = False,
) -> int:
    """Encode the texts in order and add them, so that the position in an empty index is that in the corpus.

    Args:
        encoder: Gives one vector a text.
        texts: The corpus; it is streamed.
        index: Where the vectors go. An index that has to be trained is trained on the first shard.
        reading: How the encoder reads them.
        shard_size: Texts encoded together; the vectors of a shard take `shard_size` x D x 4 bytes.
        progress: Show the encoder's bar for every shard.

    Returns:
        The number of texts.

    Raises:
        ValueError: `shard_size` is below 1.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size: expected at least 1, got {shard_size}")
    begin, count, stream = time.monotonic(), 0, iter(texts)
    while shard := list(islice(stream, shard_size)):
        index.add(encoder.encode(shard, reading, progress=progress))
        count += len(shard)
        logger.info("indexed %d texts after %.1f s", count, time.monotonic() - begin)
    return count
