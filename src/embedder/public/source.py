"""Benchmarks as published: converted once, as streams, into the form that all tasks read."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from embedder.data.converted import counted, write_once, write_rows
from embedder.data.forms.form import Form, Rows
from embedder.data.sources import Dataset, chosen, read_directory
from embedder.digests import digest_of
from embedder.errors import ConfigError
from embedder.identity import identity
from embedder.public.form import PublicForm, PublicTable

logger = logging.getLogger(__name__)

_FORMAT = 3  # raised when a conversion changes, so that an older folder is never taken for a new one


@dataclass(frozen=True)
class Passages:
    """A corpus of its own, such as Wikipedia in passages, which many data sets may share.

    Args:
        table: One passage a row.
        id: Its column of ids.
        text: Its column of texts.
        title: Its column of titles; None where a text begins with its title: a quoted first line, as FlashRAG has it.
    """

    table: PublicTable
    id: str = "id"
    text: str = "text"
    title: str | None = "title"

    def convert(self) -> Iterator[tuple[str, Rows]]:
        """The passages; see `PublicForm`."""
        yield "corpus", self._keys()

    def _keys(self) -> Rows:
        for row in self.table.rows([self.id, self.text, *([self.title] if self.title else [])]):
            text = row.text(self.text)
            title = row.text(self.title, default="") if self.title else ""
            if self.title is None and text.startswith('"') and (body := text.partition("\n")[2].strip()):
                title, text = text.partition("\n")[0].removeprefix('"').removesuffix('"'), body
            yield {"id": row.label(self.id), "title": title, "text": text}


@dataclass(frozen=True)
class PublicDataset:
    """One published data set.

    Args:
        task: Which task it is for.
        form: What its tables mean.
        corpus: What is searched; None if the form contains it.
        name: What it is called; None for its key in the settings. No key that begins with a digit can be set in a
            command.
    """

    task: str
    form: PublicForm
    corpus: Passages | None = None
    name: str | None = None


@dataclass(frozen=True)
class PublicSource:
    """The published data sets of a benchmark.

    Args:
        public: By name.
        converted_dir: Where they are kept by id; a folder is named by what it is made of.
        only: Names of those that are taken; None for all.
    """

    public: Mapping[str, PublicDataset] | None
    converted_dir: str
    only: Sequence[str] | None = None

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """The data sets of a task, in their order; one that is not yet converted is loaded.

        Raises:
            ConfigError: There is none of this task.
            DataError: A table is not of the form that the settings describe.
        """
        keys = {dataset.name or key: key for key, dataset in (self.public or {}).items() if dataset.task == task}
        if not keys:
            raise ConfigError("benchmark", f"one with public data sets of the task {task!r}", sorted(self.public or {}))
        names = chosen(list(keys), self.only, task)
        return [self._dataset(key, name, form) for name, key in keys.items() if name in names]

    def _dataset(self, key: str, name: str, form: Form | None) -> Dataset:
        dataset = (self.public or {})[key]
        folder = self._converted(name, dataset.form, f"public.{key}.form")
        if dataset.corpus is None:
            return read_directory(dataset.task, folder, form, Path(self.converted_dir))
        shared = self._converted("corpus", dataset.corpus, f"public.{key}.corpus") / "corpus.jsonl"
        files = {path.stem: path for path in folder.glob("*.jsonl")}
        return Dataset(dataset.task, name, shared, files.get("train"), files.get("test"))

    def _converted(self, name: str, form: PublicForm, setting: str) -> Path:
        """The folder of a form; what is not there is loaded, which is said before, for it may take hours."""
        folder = Path(self.converted_dir) / "public" / _fingerprint(form) / name
        tables = ", ".join(dict.fromkeys(table.label for table in _tables_of(form)))
        if not folder.is_dir():
            logger.info(
                "loading %s into %s; settings below %s narrow it (files=PATH of a table, or its first rows by take=N); "
                "source=corpus source.path=DIR reads a folder instead",
                tables,
                folder,
                setting,
            )
        write_once(folder, lambda partial: counted(write_rows(form.convert(), partial)), tables)
        return folder


def _fingerprint(form: Any) -> str:
    """Of the settings, and of the contents of local files that they name."""
    paths = [Path(path) for table in _tables_of(form) for path in table.paths]
    contents = [digest_of(path) for path in paths if path.is_file()]
    return identity(format=_FORMAT, form=form, files=contents)[:16]


def _tables_of(settings: Any) -> Iterator[PublicTable]:
    """All tables inside of settings."""
    if isinstance(settings, PublicTable):
        yield settings
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from _tables_of(value)
    elif is_dataclass(settings):
        for field in fields(settings):
            yield from _tables_of(getattr(settings, field.name))
