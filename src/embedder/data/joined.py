"""The corpora of several data sets as one, since that is what a retriever searches in use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedder.data.converted import converted
from embedder.data.forms.form import ORIGIN, Rows
from embedder.data.jsonl import JsonLines
from embedder.digests import digest_of


@dataclass(frozen=True)
class _OneAfterAnother:
    def convert(self, files: Mapping[str, Path]) -> Iterator[tuple[str, Rows]]:
        """The rows of all files as `corpus`; see `Conversion`."""
        yield (
            "corpus",
            (row.values | {ORIGIN: (role, row.line)} for role, path in files.items() for row in JsonLines(path).rows()),
        )


def joined(corpora: Sequence[Path], directory: Path) -> Path:
    """One corpus file with the rows of several, in their order; of equal files there is one.

    Keys of different files must have different ids, which whoever opens the corpus checks.

    Args:
        corpora: The files.
        directory: Where converted data sets are kept.
    """
    different: dict[str, Path] = {}
    for path in corpora:
        different.setdefault(digest_of(path), path)
    if len(different) == 1:
        return corpora[0]
    files = {str(number): path for number, path in enumerate(different.values())}
    return converted(_OneAfterAnother(), files, directory)["corpus"]
