"""Where training data comes from: data sets by id, or published JSON Lines."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedder.bounds import ShareBetween
from embedder.checks import checked
from embedder.data.converted import converted, decompressed
from embedder.data.data_files import (
    PARTS,
    existing,
    files_of,
    nothing_found,
    record_files,
    warn_of_deeper,
    warn_of_unread,
)
from embedder.data.forms.beir import Beir
from embedder.data.forms.form import Form
from embedder.data.joined import joined
from embedder.data.split import SeededSplit
from embedder.digests import digest_of
from embedder.errors import ConfigError, DataError
from embedder.shown import shown

BEIR = Beir()  # a data set of this form can be of any task


@dataclass(frozen=True)
class Dataset:
    """One data set of one task: files on disk, not yet read.

    Either `corpus` with `train` and `test` (queries that name their gold keys by id), or `records` (published JSON
    Lines, which hold the texts of their keys). Its name becomes part of names of metrics, which loggers and progress
    bars show unchanged, so control characters in the name of a folder are replaced by pictures of them.
    """

    task: str
    name: str
    corpus: Path | None = None
    train: Path | None = None
    test: Path | None = None
    records: Path | None = None
    before_split: Path | None = None
    """Its training queries before `test_share` took a part of them for tests."""
    advice: str = ""
    """What the message about a missing file adds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", shown(self.name))

    def file(self, role: str) -> Path:
        """The file of a role; a DataError where there is none."""
        path: Path | None = getattr(self, role)
        if path is None:
            share = "; source.test_share=0.1 keeps a tenth of its training queries for tests"
            advice = self.advice or (share if role == "test" else "")
            message = f"this data set of the task {self.task!r} has no {role} file ({role}.jsonl){advice}"
            raise DataError(self.name, None, message)
        return path

    def made_of(self) -> dict[str, str]:
        """Digests of the files that it is trained on, by role."""
        return {role: digest_of(path) for role in ("corpus", "records", "train") if (path := getattr(self, role))}

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
        test_share: Share of the training queries that is kept for tests where a data set has no test file, or None.
        join_corpora: Search the data sets of a task as one: each has the keys of all, as candidates and in evaluation.
    """

    path: str | Sequence[str]
    converted_dir: str
    only: Sequence[str] | None = None
    test_share: ShareBetween | None = None
    join_corpora: bool = False

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """The data sets of a task, in the order of `path`, then by name.

        Args:
            task: Its name.
            form: Another form that its data sets may have on disk, beside that by id.
        """
        directories = []
        for root in _paths(self.path):
            possible = (root, root / task, *sorted((root / task).glob("*")))
            with_files = [directory for directory in possible if files_of(directory)]
            warn_of_deeper(root / task, with_files, files_of)
            directories += with_files
        if not directories:
            raise nothing_found(
                f"a directory that holds a data set (corpus.jsonl, train.jsonl, test.jsonl), {task}/ or {task}/*/",
                self.path,
                files_of,
            )
        names = chosen([directory.name for directory in directories], self.only, task)
        datasets = [self._read(task, directory, form) for directory in directories if directory.name in names]
        if not self.join_corpora:
            return datasets
        corpus = joined([dataset.file("corpus") for dataset in datasets], Path(self.converted_dir))
        return [replace(dataset, corpus=corpus) for dataset in datasets]

    def _read(self, task: str, directory: Path, form: Form | None) -> Dataset:
        converted_dir = Path(self.converted_dir)
        dataset = read_directory(task, directory, form, converted_dir)
        if self.test_share is None or dataset.train is None or dataset.test is not None:
            return dataset
        parts = converted(SeededSplit(self.test_share), {"train": dataset.train}, converted_dir)
        return replace(dataset, train=parts["train"], test=parts["test"], before_split=dataset.train)


def chosen(names: Sequence[str], only: Sequence[str] | None, task: str) -> set[str]:
    """The names that are taken.

    Raises:
        ConfigError: A name of `only` is not among them.
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
    paths = files_of(directory)
    warn_of_unread(directory, paths.values(), PARTS)
    files = {role: decompressed(path, converted_dir) for role, path in paths.items()}
    for possible_form in (form, BEIR):
        if possible_form is not None and possible_form.fits(files):
            files = converted(possible_form, files, converted_dir)
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
            warn_of_unread(root, files, re.escape(task))
            warn_of_unread(root / task, files, ".+")
            warn_of_deeper(root / task, [root / task], record_files)
        if not files:
            expected = f"a file, or a directory that holds {task}.jsonl or {task}/*.jsonl"
            raise nothing_found(expected, self.path, record_files)
        plain = [decompressed(file, Path(self.converted_dir)) for file in files]
        return [Dataset(task=task, name=file.stem, records=file) for file in plain]


@checked("source")
@dataclass(frozen=True)
class RecordFiles:
    """Published LLM-Embedder JSON Lines in folders of their own, each named by its task; the folder names the data set.

    Args:
        path: The folder that they lie below.
        files: By task.
        converted_dir: Where compressed files are kept as plain ones.
    """

    path: str
    files: Mapping[str, Sequence[str]]
    converted_dir: str

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """One data set a file; the form is that of the published records."""
        if not (names := self.files.get(task)):
            raise ConfigError(f"source.files.{task}", "files of this task, since the mix has it", None)
        files = {name: existing(Path(self.path) / name) for name in names}
        if missing := [name for name, file in files.items() if file is None]:
            raise ConfigError("source.path", f"a folder that holds {missing[0]}", self.path)
        plain = [decompressed(file, Path(self.converted_dir)) for file in files.values() if file is not None]
        return [
            Dataset(task=task, name=Path(name).parent.name, records=file)
            for name, file in zip(files, plain, strict=True)
        ]


def _paths(paths: str | Sequence[str]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str) else [Path(path) for path in paths]
