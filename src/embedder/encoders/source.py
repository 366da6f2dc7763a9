"""Where an encoder lies and what its folder says, held against the settings."""

import logging

from embedder.encoders.config import EncoderConfig
from embedder.encoders.pooling import PoolingName
from embedder.encoders.sentence_folder import SentenceFolder, read_folder
from embedder.errors import ConfigError
from embedder.models.hub import local_folder
from embedder.models.packages import resolve_model

logger = logging.getLogger(__name__)


def folder_of(config: EncoderConfig) -> SentenceFolder:
    """Where an encoder lies, and what its folder says of itself.

    Raises:
        ConfigError: The folder does not exist, or was made with other settings than these.
    """
    source = local_folder(resolve_model(config.name, "encoder.name"), config.revision, "encoder.name")
    if source.is_file():
        raise ConfigError("encoder.name", "a folder, package:NAME/PATH or the name of a model on a hub", config.name)
    folder = read_folder(source, "encoder.name", config.name)
    trained = folder.trained or {}
    for name in ("bidirectional", "dimension"):
        got = getattr(config, name)
        if name in trained and trained[name] != got:
            raise ConfigError(f"encoder.{name}", f"{trained[name]!r}, which {config.name} was trained with", got)
    if config.shared and folder.query != folder.key:
        raise ConfigError("encoder.shared", f"false, since {config.name} holds an encoder for each side", True)
    return folder


def pooling_of(config: EncoderConfig, folder: SentenceFolder) -> PoolingName:
    """How token states become a vector: as the folder says, else as the settings do.

    Raises:
        ConfigError: The settings ask for another pooling than the folder was made with.
    """
    pooling = folder.key.pooling
    if pooling is None:
        if config.pooling is None:
            logger.info(
                "%s does not say how it pools, so mean pooling is used (encoder.pooling sets another)", config.name
            )
        return config.pooling or "mean"
    if config.pooling not in (None, pooling):
        parts = f"its modules.json: {', '.join(folder.modules)}"
        expected = f"null or {pooling!r}, which {config.name} was made with ({parts})"
        raise ConfigError("encoder.pooling", expected, config.pooling)
    return pooling
