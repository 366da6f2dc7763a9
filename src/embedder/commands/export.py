"""`embedder export`: the encoder of a checkpoint as a folder that sentence-transformers loads, its card, and a hub."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from embedder.commands.arguments import Arguments, run_plainly
from embedder.entry.surroundings import quiet_libraries
from embedder.errors import ConfigError

_ABOUT = """\
Export the encoder of a checkpoint as a sentence-transformers folder with its instructions. A training run exports its
best weights itself, into export/ of its folder; this is for its other checkpoints, and for the model card and a hub.

  embedder export outputs/train/DATE/checkpoints/last.ckpt my-retriever
  embedder export outputs/train/DATE --license apache-2.0 --language en --evaluation outputs/evaluate/DATE
  embedder export outputs/train/DATE --push-to NAMESPACE/NAME

What is said for the card replaces what was said before. The hub's client finds your token (hf auth login, HF_TOKEN)."""
_FACTS = ("license", "datasets", "language", "data_licenses", "evaluation")


def export(arguments: Sequence[str]) -> None:
    """Run the command."""
    parser = Arguments("export", _ABOUT)
    add = parser.add_argument
    add(
        "source",
        metavar="SOURCE",
        help="a file .ckpt, or an export, or the folder of a run",
    )
    add(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="of a file .ckpt, right after it: where to write; an older export is replaced",
    )
    add("--push-to", metavar="NAMESPACE/NAME", help="upload the export there, as private")
    add("--public", action="store_true", help="with --push-to: a repository that is made can be seen by all")
    add("--license", metavar="NAME", help="for the card: of the model, such as apache-2.0")
    add("--datasets", nargs="+", metavar="NAME", help="for the card: what it was trained on, by names on the hub")
    add("--language", nargs="+", metavar="CODE", help="for the card, such as en")
    add("--data-licenses", metavar="TEXT", help="for the card: the licences of the training data, in a sentence")
    add("--evaluation", metavar="RUN", help="for the card: the folder of an evaluation, whose table it shows")
    given = parser.parse_args(arguments)
    run_plainly(lambda: _run(given))


def _run(given: Namespace) -> None:
    from embedder.encoders.card_facts import CardFacts, complete_card
    from embedder.encoders.push import check_repository, push_to_hub

    quiet_libraries()
    facts = {name: value for name in _FACTS if (value := getattr(given, name)) is not None}
    if given.push_to is not None:
        check_repository(given.push_to, "--push-to")
    if given.public and given.push_to is None:
        raise ConfigError("--public", "beside --push-to NAMESPACE/NAME", None)
    folder = _exported(Path(given.source), given.folder, is_used=bool(facts or given.push_to))
    if facts:
        if "evaluation" in facts:
            facts["evaluation"] = Path(given.evaluation)
        print(f"model card: {complete_card(folder, CardFacts(**facts)) / 'README.md'}")  # noqa: T201
    if given.push_to is not None:
        print(f"pushed: {push_to_hub(folder, given.push_to, private=not given.public)}")  # noqa: T201


def _exported(source: Path, folder: str | None, *, is_used: bool) -> Path:
    """The export that is meant, written of a checkpoint."""
    from embedder.encoders.sentence_files import DESCRIPTION
    from embedder.search.folder import export_checkpoint

    if not source.exists():
        raise ConfigError("SOURCE", "a file .ckpt, an export or the folder of a run that exists", str(source))
    if source.is_dir():
        found = next((one for one in (source, source / "export") if (one / DESCRIPTION).is_file()), None)
        if found is None:
            raise ConfigError("SOURCE", "a file .ckpt, an export, or the folder of a run with export/", str(source))
        if folder is not None or not is_used:
            expected = f"a file .ckpt, or what to do with the export {found} (--push-to, or facts for its card)"
            raise ConfigError("SOURCE", expected, str(source))
        return found
    if folder is None:
        raise ConfigError("FOLDER", "where to write the export of a file .ckpt", None)
    print(f"exported model: {(written := export_checkpoint(source, Path(folder)))}")  # noqa: T201
    return written
