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
        """Write it beside the shards; a folder has one for each corpus."""
        values = {**self.about, **{name: value for name, value in vars(self).items() if name != "about"}}
        write_atomically(folder / _NAME.format(self.texts[:12]), json.dumps(values, indent=1))

    def check(self, path: Path, wanted: Mapping[str, Any]) -> None:
        """Refuse vectors that another encoder made, or that were read in another way.

        Args:
            path: Where they lie.
            wanted: What they have to be, as in `Space.about`; what is not said may be anything.

        Raises:
            DataError: Names what differs, with both values.
        """
        there, here = dict(_flat(self.about)), dict(_flat(described(wanted)))
        names = [*here, *(name for name in there if name not in here and name.partition(".")[0] in wanted)]
        differing = [
            f"{name} is {_shown(there.get(name))} there, {_shown(here.get(name))} here"
            for name in names
            if there.get(name) != here.get(name)
        ]
        if differing:
            raise DataError(path, None, f"vectors that do not fit: {'; '.join(differing)}")


def read_manifest(path: Path) -> Manifest:
    """The manifest of a folder that has one, or that of a file.

    Raises:
        DataError: There is none, it is damaged, or a folder has several.
    """
    found = sorted(path.glob(_NAME.format("*"))) if path.is_dir() else [path]
    if len(found) != 1:
        names = f"{len(found)} corpora; name one of {[one.name for one in found]}" if found else "no vectors"
        raise DataError(path, None, f"a folder with {names}")
    try:
        values = dict(json.loads(found[0].read_text(encoding="utf-8")))
        own = {name: values.pop(name) for name in ("shard_size", "count", "texts")}
        return Manifest(shards=tuple(values.pop("shards")), about=values, **own)
    except FileNotFoundError as error:
        raise DataError(path, None, "there are no such vectors") from error
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(found[0], None, f"not a manifest of vectors ({error!r})") from error


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{prefix}{name}.")
        else:
            yield prefix + name, one


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}..."
