"""Where training data comes from: data sets by id, published JSON Lines, or the bundled world."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.data.converted import converted
from embedder.data.forms.beir import Beir
from embedder.data.forms.form import Form
from embedder.data.world import WorldSettings, write_world
from embedder.errors import ConfigError, DataError

BEIR = Beir()  # a data set of this form can be of any task
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
    """Directories with `corpus.jsonl`, `train.jsonl` and `test.jsonl`, or with the files of another form.

    Args:
        path: One directory or several. Each is a data set itself, or holds data sets as `<task>/` or `<task>/<name>/`.
        converted_dir: Where data sets of another form are kept by id.
        only: Names of the data sets that are taken, such as those of a benchmark; None for all.
    """

    path: str | Sequence[str]
    converted_dir: str
    only: Sequence[str] | None = None

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """The data sets of a task, in the order of `path`, then by name.

        Args:
            task: Its name.
            form: How its data sets may lie on disk, beside by id.
        """
        directories = [
            directory
            for root in _paths(self.path)
            for directory in (root, root / task, *sorted((root / task).glob("*")))
            if _files(directory)
        ]
        if not directories:
            raise ConfigError("source.path", f"a directory that holds a data set, {task}/ or {task}/*/", self.path)
        names = chosen([directory.name for directory in directories], self.only, task)
        return [
            read_directory(task, directory, form, Path(self.converted_dir))
            for directory in directories
            if directory.name in names
        ]


def chosen(names: Sequence[str], only: Sequence[str] | None, task: str) -> set[str]:
    """The names that are taken.

    Raises:
        ConfigError: One that is asked for is not there.
    """
    if missing := [name for name in only or () if name not in names]:
        raise ConfigError(
            "source.only", f"names of data sets of the task {task!r}, which are {sorted(names)}", missing[0]
        )
    return set(names if only is None else only)


def read_directory(task: str, directory: Path, form: Form | None, converted_dir: Path) -> Dataset:
    """The data set that lies in a directory, by id, converted if it is of another form.

    Raises:
        DataError: It has no corpus and is of no other form that the task takes.
    """
    files = _files(directory)
    for other in (form, BEIR):
        if other is not None and other.fits(files):
            files = converted(other, files, converted_dir)
            break
    if "corpus" not in files:
        raise DataError(
            directory,
            None,
            f"no corpus.jsonl; task {task!r} reads data sets by id"
            + ("" if form is None else f" or as {type(form).__name__} (docs/data.md)"),
        )
    return Dataset(task, directory.name, files["corpus"], files.get("train"), files.get("test"))


@dataclass(frozen=True)
class JsonlSource:
    """Files of published LLM-Embedder JSON Lines.

    Args:
        path: One file or several, or directories that hold `<task>.jsonl` or `<task>/*.jsonl`.
    """

    path: str | Sequence[str]

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """One data set a file, in the order of `path`, then by name; the form is that of the published records."""
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
        converted_dir: Where data sets of another form are kept by id.
    """

    directory: str
    settings: WorldSettings
    converted_dir: str

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """The world's data set of a task."""
        name = hashlib.sha256(f"{_WORLD_FORMAT}/{self.settings!r}".encode()).hexdigest()[:12]
        root = Path(self.directory) / name
        if not root.is_dir():
            write_world(self.settings, root)
        world = CorpusSource(str(root), self.converted_dir).datasets(task, form)
        return [Dataset(task, "world", found.corpus, found.train, found.test) for found in world]


def _paths(paths: str | Sequence[str]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str) else [Path(path) for path in paths]


def _files(directory: Path) -> dict[str, Path]:
    """The files of a data set that there are, by role."""
    paths = {role: directory / f"{role}.jsonl" for role in ("corpus", "histories", "train", "test", "queries")}
    paths |= {f"{split}_qrels": directory / "qrels" / f"{split}.tsv" for split in ("train", "test")}
    return {role: path for role, path in paths.items() if path.is_file()}
