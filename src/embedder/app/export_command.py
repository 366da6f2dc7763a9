"""`embedder export`: the encoder of a checkpoint as a folder that sentence-transformers loads."""

from collections.abc import Sequence
from pathlib import Path

from embedder.app.arguments import Arguments, run_plainly
from embedder.entry.surroundings import quiet_libraries

_ABOUT = """\
Export the encoder of a checkpoint as a sentence-transformers folder with its instructions. A training run exports its
best weights itself, into export/ of its folder; this is for its other checkpoints.

  embedder export outputs/train/DATE/checkpoints/last.ckpt my-retriever"""


def export(arguments: Sequence[str]) -> None:
    """Run the command."""
    parser = Arguments("export", _ABOUT)
    parser.add_argument("checkpoint", help="a file .ckpt of a training run")
    parser.add_argument("folder", help="where to write; an older export there is replaced")
    given = parser.parse_args(arguments)
    run_plainly(lambda: _export(Path(given.checkpoint), Path(given.folder)))


def _export(checkpoint: Path, folder: Path) -> None:
    from embedder.search.folder import export_checkpoint

    quiet_libraries()
    print(f"exported model: {export_checkpoint(checkpoint, folder)}")  # noqa: T201
