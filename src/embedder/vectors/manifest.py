"""What a folder of vectors says of itself: which encoder made them, of which texts, read in which way."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedder.errors import DataError
from embedder.files import write_atomically
from embedder.identity import described, identity
from embedder.types import Reading

_NAME = "manifest-{}.json"


@dataclass(frozen=True)
class Space:
    """What vectors have to share to be compared: those of one folder do.

    Args:
        encoder: What the vectors depend on beside the texts and how they are read, as JSON holds it: digests of weights
            and tokenizer, pooling, precision.
        reading: How the texts are read.
        dimension: Numbers of a vector, D.
        dtype: Of the numbers on disk.
    """

    encoder: Mapping[str, Any]
    reading: Reading
    dimension: int
    dtype: str

    @property
    def address(self) -> str:
        """Names the folder."""
        return identity(format=3, **self.about)[:32]

    @property
    def about(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "encoder": described(self.encoder),
            **asdict(self.reading),
            "dimension": self.dimension,
            "dtype": self.dtype,
        }


@dataclass(frozen=True)
class Manifest:
    """The vectors of one corpus in a folder.

    Args:
        about: See `Space.about`.
        shard_size: Keys of a shard; the last one may have fewer.
        count: Keys of the corpus.
        texts: Digest of all texts.
        shards: Digest of the texts of each shard, in their order; so their files are called.
    """

    about: Mapping[str, Any]
    shard_size: int
    count: int
    texts: str
    shards: tuple[str, ...]

    @classmethod
    def of(cls, space: Space, shard_size: int, count: int, shards: tuple[str, ...]) -> "Manifest":
        """Of a corpus of which all shards are known."""
        return cls(space.about, shard_size, count, identity(count=count, shards=shards)[:32], shards)

    def write(self, folder: Path) -> None:
        """Write it beside the shards, unless it is there; a folder has one for each corpus."""
        values = {**self.about, **{name: value for name, value in vars(self).items() if name != "about"}}
        path, text = folder / _NAME.format(self.texts[:12]), json.dumps(values, indent=1)
        if not (path.is_file() and path.read_text(encoding="utf-8") == text):  # the folder may be for reading alone
            write_atomically(path, text)

    def differences(self, wanted: "Manifest") -> list[str]:
        """What other vectors, or those of other texts, have in another way: each by name, with both values."""
        there, here = (dict(_flat({**vars(one), **one.about, "about": None})) for one in (self, wanted))
        same_size = self.shard_size == wanted.shard_size  # else all digests differ
        digests = {"shards"} if same_size else {"shards", "texts"}
        return [
            f"{name} is {_shown(there.get(name))} there, {_shown(here.get(name))} here"
            for name in {**here, **there}
            if there.get(name) != here.get(name) and name not in digests
        ]


def read_manifest(path: Path) -> Manifest:
    """The manifest that a file holds.

    Raises:
        DataError: It is damaged.
    """
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
        own = {name: values.pop(name) for name in ("shard_size", "count", "texts")}
        return Manifest(shards=tuple(values.pop("shards")), about=values, **own)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(path, None, f"not a manifest of vectors ({error!r})") from error


def not_encoded(directory: Path, wanted: Manifest) -> DataError:
    """The error of vectors that are not in a directory: how they differ from those there that are the most like them.

    Args:
        directory: Has a folder for each encoder and way of reading.
        wanted: The vectors that were looked for.
    """
    found, damaged = [], 0
    for path in sorted(directory.glob(f"*/{_NAME.format('*')}")):
        try:
            found.append((read_manifest(path).differences(wanted), path))
        except DataError:
            damaged += 1  # perhaps of another corpus
    more = f" ({damaged} manifests there cannot be read)" if damaged else ""
    if not found:
        return DataError(directory, None, f"has no vectors of a corpus, and vectors.encode=false encodes none{more}")
    differing, path = min(found, key=lambda one: len(one[0]))
    what = "; ".join(differing) or "some of them are missing or damaged"
    return DataError(path, None, f"these vectors do not fit, and vectors.encode=false encodes no others: {what}{more}")


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{prefix}{name}.")
        else:
            yield prefix + name, one


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}..."
