"""The file of questions that the LLM wrote, with the counts of what became of all drafts beside it."""

import json
import logging
from pathlib import Path

from embedder.data.jsonl import json_line
from embedder.digests import digest_of
from embedder.errors import DataError
from embedder.files import make_once, write_atomically
from embedder.identity import identity
from embedder.questions.writer import DROPPED, QuestionWriter

logger = logging.getLogger(__name__)


def question_file(writer: QuestionWriter, corpus: Path, directory: Path) -> Path:
    """Write the questions about a corpus, once: `questions.jsonl`, and `counts.json` with what became of all drafts.

    Args:
        writer: Writes them.
        corpus: The passages.
        directory: They go into a folder in it that is named by all that they depend on.

    Raises:
        DataError: Too few questions were kept.
    """
    path = question_path(writer, corpus, directory)
    if not path.is_file() and (earlier := sorted(directory.glob("questions-*/questions.jsonl"))):
        changed = (
            "documents, LLM or questions settings changed since %s was written: the LLM is asked for questions again"
        )
        logger.warning(changed, earlier[0])
    if not make_once(path.parent, lambda partial: _write(writer, corpus, partial)):
        logger.info("the questions were written before: %s", path)
    return path


def question_path(writer: QuestionWriter, corpus: Path, directory: Path) -> Path:
    """Where `question_file` writes, or has written."""
    fingerprint = writer.language_model.fingerprint
    made_of = identity(corpus=digest_of(corpus), llm=fingerprint, settings=writer.settings)
    return directory / f"questions-{made_of[:10]}" / "questions.jsonl"


def _write(writer: QuestionWriter, corpus: Path, folder: Path) -> None:
    kept, least = writer.write(corpus), writer.settings.least
    counts = {name: writer.counts[name] for name in ("drafts", *DROPPED)}
    if len(kept) < least:
        message = (
            f"{len(kept)} questions are left of what the LLM wrote, and {least} are needed ({writer.told()}); more "
            "documents, a larger LLM, more questions.drafts, or questions of your own (source.questions=FILE) help"
        )
        raise DataError(corpus, None, message)
    write_atomically(folder / "questions.jsonl", "".join(json_line(question.row()) for question in kept))
    write_atomically(folder / "counts.json", json.dumps({"kept": len(kept), **counts}, indent=1))
