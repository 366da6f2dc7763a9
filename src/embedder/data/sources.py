"""Where training data comes from: data sets by id, published JSON Lines, or the bundled world."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.data.world import WorldSettings, write_world
from embedder.errors import ConfigError, DataError

_WORLD_FORMAT = 2  # raised when the generator changes, so that an older world is never taken for a new one


@dataclass(frozen=True)
class Dataset:
    """One data set of one task: files on disk, not yet read.

    Either `corpus` with `train` and `test` (queries that name their gold keys by id), or `records` (published JSON
    Lines, which bring their keys along).
    """

    task: str
    name: str
    corpus: Path | None = None
    train: Path | None = None
    test: Path | None = None
    records: Path | None = None

    def file(self, role: str) -> Path:
        """The file of a role, or one clear error."""
        path: Path | None = getattr(self, role)
        if path is None:
            raise DataError(self.name, None, f"this data set of the task {self.task!r} has no {role} file")
        return path

    def fingerprint(self, roles: Sequence[str]) -> str:
        """Digest of the contents of these files."""
        digest = hashlib.sha256()
        for role in roles:
            with self.file(role).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class CorpusSource:
    """Directories with `corpus.jsonl` and `train.jsonl` or `test.jsonl`.

    Args:
        path: One directory or several. Each is a data set itself, or holds data sets as `<task>/` or `<task>/<name>/`.
    """

    path: str | Sequence[str]

    def datasets(self, task: str) -> list[Dataset]:
        """The data sets of a task, in the order of `path`, then by name."""
        found = [
            Dataset(
                task=task,
                name=directory.name,
                corpus=directory / "corpus.jsonl",
                train=_existing(directory / "train.jsonl"),
                test=_existing(directory / "test.jsonl"),
            )
            for root in _paths(self.path)
            for directory in (root, root / task, *sorted((root / task).glob("*")))
            if (directory / "corpus.jsonl").is_file()
        ]
        if not found:
            raise ConfigError("source.path", f"a directory that holds corpus.jsonl, {task}/ or {task}/*/", self.path)
        return found


@dataclass(frozen=True)
class JsonlSource:
    """Files of published LLM-Embedder JSON Lines.

    Args:
        path: One file or several, or directories that hold `<task>.jsonl` or `<task>/*.jsonl`.
    """

    path: str | Sequence[str]

    def datasets(self, task: str) -> list[Dataset]:
        """One data set a file, in the order of `path`, then by name."""
        found = [
            Dataset(task=task, name=file.stem, records=file)
            for root in _paths(self.path)
            for file in (root, root / f"{task}.jsonl", *sorted((root / task).glob("*.jsonl")))
            if file.is_file()
        ]
        if not found:
            raise ConfigError(
                "source.path", f"a file, or a directory that holds {task}.jsonl or {task}/*.jsonl", self.path
            )
        return found


@dataclass(frozen=True)
class WorldSource:
    """The bundled world: a seeded fictional encyclopedia, written on first use.

    Args:
        directory: Where worlds are kept; each is a folder named by its settings.
        settings: Size and seed.
    """

    directory: str
    settings: WorldSettings

    def datasets(self, task: str) -> list[Dataset]:
        """The world's data set of a task."""
        name = hashlib.sha256(f"{_WORLD_FORMAT}/{self.settings!r}".encode()).hexdigest()[:12]
        root = Path(self.directory) / name
        if not root.is_dir():
            write_world(self.settings, root)
        world = CorpusSource(path=str(root)).datasets(task)
        return [Dataset(task, "world", found.corpus, found.train, found.test) for found in world]


def _paths(paths: str | Sequence[str]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str) else [Path(path) for path in paths]


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None
