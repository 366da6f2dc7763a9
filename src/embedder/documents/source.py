"""A folder of documents as a source of data: a corpus of their passages, and questions about them."""

from dataclasses import dataclass, field
from pathlib import Path

from embedder.bounds import ShareBetween
from embedder.checks import checked
from embedder.data.converted import converted, decompressed
from embedder.data.forms.form import Form
from embedder.data.sources import Dataset
from embedder.data.split import SeededSplit
from embedder.documents.corpus import corpus_of
from embedder.documents.folder import files_below
from embedder.documents.passages import Cutting
from embedder.documents.questions import QuestionFile
from embedder.errors import ConfigError

_ADVICE = "; source.questions=FILE names questions about the documents, experiment=tune lets the LLM write them"


@checked("source")
@dataclass(frozen=True)
class FolderSource:
    """A folder of documents, or one document.

    Args:
        path: The folder, whose folders are read too, or one file.
        converted_dir: Where passages and queries are kept, in folders named by what they are made of.
        questions: JSON Lines of questions about the documents; see `QuestionFile`. None: there is a corpus alone.
        test_share: Share of the questions that is kept for tests, chosen by a hash of the question.
        cutting: How documents are cut into passages.
    """

    path: str
    converted_dir: str
    questions: str | None = None
    test_share: ShareBetween = 0.3
    cutting: Cutting = field(default_factory=Cutting)

    def datasets(self, task: str, form: Form | None = None) -> list[Dataset]:
        """One data set, called as the folder is; the forms of other data sets play no part.

        Raises:
            ConfigError: There is no such folder or file of questions, or no document in it.
            DataError: No document can be read, or a question is malformed or names what is not there.
        """
        root, converted_dir = Path(self.path), Path(self.converted_dir)
        questions = self._question_file()
        folder = corpus_of(root, files_below(root, converted_dir, questions), self.cutting, converted_dir)
        name, corpus = root.resolve().stem if root.is_file() else root.resolve().name, folder / "corpus.jsonl"
        if questions is None:
            return [Dataset(task, name, corpus, advice=_ADVICE)]
        files = {
            "questions": decompressed(questions, converted_dir),
            "corpus": corpus,
            "copies": folder / "copies.jsonl",
        }
        queries = converted(QuestionFile(), files, converted_dir)["train"]
        parts = converted(SeededSplit(self.test_share), {"train": queries}, converted_dir)
        return [Dataset(task, name, corpus, parts["train"], parts["test"], before_split=queries)]

    def _question_file(self) -> Path | None:
        if self.questions is None:
            return None
        path = Path(self.questions)
        if not path.is_file():
            raise ConfigError("source.questions", "a file of JSON Lines", self.questions)
        return path
