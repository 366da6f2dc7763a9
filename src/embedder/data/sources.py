"""Where training data comes from: data sets by id, or published JSON Lines."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedder.bounds import ShareBetween
from embedder.checks import checked
from embedder.data.converted import converted, decompressed
from embedder.data.forms.beir import Beir
from embedder.data.forms.form import Form
from embedder.data.found import PARTS, existing, files_of, nothing_found, record_files, tell_deeper, tell_unread
from embedder.data.split import SeededSplit
from embedder.errors import ConfigError, DataError
from embedder.files import digest_of
from embedder.shown import shown

BEIR = Beir()  # a data set of this form can be of any task


@dataclass(frozen=True)
class Dataset:
    """One data set of one task: files on disk, not yet read.

    Either `corpus` with `train` and `test` (queries that name their gold keys by id), or `records` (published JSON
    Lines, which bring their keys along). Its name goes into names of metrics, which loggers and bars show as they are:
    what a folder's name holds of control characters is in it as pictures.
    """

    task: str
    name: str
    corpus: Path | None = None
    train: Path | None = None
    test: Path | None = None
    records: Path | None = None
    whole: Path | None = None
    """Its training queries before `test_share` took some of them for tests."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", shown(self.name))

    def file(self, role: str) -> Path:
        """The file of a role, or one clear error."""
        path: Path | None = getattr(self, role)
        if path is None:
            advice = "; source.test_share=0.1 keeps a tenth of its training queries for tests" if role == "test" else ""
            message = f"this data set of the task {self.task!r} has no {role} file ({role}.jsonl){advice}"
            raise DataError(self.name, None, message)
        return path

    def fingerprint(self, roles: Sequence[str]) -> str:
        """Digest of the contents of these files."""
        digest = hashlib.sha256()
        for role in roles:
            digest.update(bytes.fromhex(digest_of(self.file(role))))
        return digest.hexdigest()[:16]


@checked("source")
@dataclass(frozen=True)
class CorpusSource:
    """Directories with `corpus.jsonl`, `train.jsonl` and `test.jsonl`, or with the files of another form.

    Args:
        path: One directory or several. Each is a data set itself, or holds data sets as `<task>/` or `<task>/<name>/`.
        converted_dir: Where data sets of another form are kept by id.
        only: Names of the data sets that are taken, such as those of a benchmark; None for all.
        test_share: Of the training queries of a data set without a test file, kept for tests; None for none.
    """

    path: str | Sequence[str]
    converted_dir: str
    only: Sequence[str] | None = None
    test_share: ShareBetween | None = None

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """The data sets of a task, in the order of `path`, then by name.

        Args:
            task: Its name.
            form: How its data sets may lie on disk, beside by id.
        """
        directories = []
        for root in _paths(self.path):
            found = [
                directory for directory in (root, root / task, *sorted((root / task).glob("*"))) if files_of(directory)
            ]
            tell_deeper(root / task, found, files_of)
            directories += found
        if not directories:
            raise nothing_found(
                f"a directory that holds a data set (corpus.jsonl, train.jsonl, test.jsonl), {task}/ or {task}/*/",
                self.path,
                files_of,
            )
        names = chosen([directory.name for directory in directories], self.only, task)
        return [self._read(task, directory, form) for directory in directories if directory.name in names]

    def _read(self, task: str, directory: Path, form: Form | None) -> Dataset:
        converted_dir = Path(self.converted_dir)
        dataset = read_directory(task, directory, form, converted_dir)
        if self.test_share is None or dataset.train is None or dataset.test is not None:
            return dataset
        parts = SeededSplit(self.test_share).split(dataset.train, converted_dir)
        return replace(dataset, train=parts["train"], test=parts["test"], whole=dataset.train)


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
    found = files_of(directory)
    tell_unread(directory, found.values(), PARTS)
    files = {role: decompressed(path, converted_dir) for role, path in found.items()}
    for other in (form, BEIR):
        if other is not None and other.fits(files):
            files = converted(other, files, converted_dir)
            break
    if "corpus" not in files:
        raise DataError(
            directory,
            None,
            f"no corpus.jsonl; task {task!r} reads data sets by id"
            + ("" if form is None else f" or as {type(form).__name__}")
            + " (docs/data.md)",
        )
    return Dataset(task, directory.name, files["corpus"], files.get("train"), files.get("test"))


@dataclass(frozen=True)
class JsonlSource:
    """Files of published LLM-Embedder JSON Lines.

    Args:
        path: One file or several, or directories that hold `<task>.jsonl` or `<task>/*.jsonl`.
        converted_dir: Where compressed files are kept as plain ones.
    """

    path: str | Sequence[str]
    converted_dir: str

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """One data set a file, in the order of `path`, then by name; the form is that of the published records."""
        files = []
        for root in _paths(self.path):
            files += [file for name in (root, root / f"{task}.jsonl") if (file := existing(name)) is not None]
            files += record_files(root / task)
            tell_unread(root, files, re.escape(task))
            tell_unread(root / task, files, ".+")
            tell_deeper(root / task, [root / task], record_files)
        if not files:
            expected = f"a file, or a directory that holds {task}.jsonl or {task}/*.jsonl"
            raise nothing_found(expected, self.path, record_files)
        plain = [decompressed(file, Path(self.converted_dir)) for file in files]
        return [Dataset(task=task, name=file.stem, records=file) for file in plain]


def _paths(paths: str | Sequence[str]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str) else [Path(path) for path in paths]
