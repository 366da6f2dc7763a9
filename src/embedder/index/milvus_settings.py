"""Where Milvus is, and which of its collections holds the vectors of a corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embedder.bounds import PositiveFloat, PositiveInt
from embedder.checks import checked
from embedder.errors import ConfigError


@checked("index")
@dataclass(frozen=True)
class MilvusSettings:
    """An index in Milvus.

    Args:
        uri: A file, for Milvus Lite, or the address of a server or cluster, `http://HOST:19530`.
        collection: Its name; None for one that is named by what the vectors depend on.
        task: What the vectors of this corpus are called in the collection, which may hold those of several.
        filter: An expression of Milvus that a key has to meet to be found, such as `year >= 2000`; empty for all keys.
        metadata: JSON Lines, a line for each key of the corpus, in its order; None for none.
        fields: Which fields of these lines are kept beside the vectors, for `filter`.
        rebuild: Drop the vectors of the task in the collection and fill it again.
        kind: Of index, as Milvus names it.
        parameters: Of this kind of index, when it is built, such as `{nlist: 1024}`.
        search_parameters: Of this kind of index, when it is searched, such as `{nprobe: 32}`.
        api_key_env: Name of the environment variable that holds the token of the server; None for none.
        batch: Vectors that are sent together.
        timeout: Seconds that an answer may take.

    Raises:
        ConfigError: Fields without a file that has them.
    """

    uri: str
    collection: str | None = None
    task: str = ""
    filter: str = ""
    metadata: str | None = None
    fields: Sequence[str] = ()
    rebuild: bool = False
    kind: str = "AUTOINDEX"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    search_parameters: Mapping[str, Any] = field(default_factory=dict)
    api_key_env: str | None = None
    batch: PositiveInt = 1000
    timeout: PositiveFloat = 60

    def __post_init__(self) -> None:
        if self.fields and self.metadata is None:
            raise ConfigError("index.metadata", f"a file that has the fields {list(self.fields)}", None)
