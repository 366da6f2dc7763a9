"""What a user knows of an export and no run does, for its card: licence, data sets, languages, an evaluation."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from embedder.digests import DIGESTS
from embedder.encoders.export import check_whole
from embedder.encoders.export_card import card, differences_of_long_texts
from embedder.encoders.sentence_files import DESCRIPTION
from embedder.encoders.sentence_form import write_json
from embedder.errors import DataError
from embedder.files import whole_folder
from embedder.replaced import copy_as_one
from embedder.types import TaskSides


@dataclass(frozen=True)
class CardFacts:
    """Facts for the card.

    Args:
        license: Of the model, by its name on the hub, such as `apache-2.0`.
        datasets: Names on the hub of what it was trained on.
        language: Codes of languages, such as `en`.
        data_licenses: What the licences of the training data are, in a sentence.
        evaluation: The folder of an evaluation, whose table (`table.md`) the card shows.
    """

    license: str | None = None
    datasets: Sequence[str] = ()
    language: Sequence[str] = ()
    data_licenses: str | None = None
    evaluation: Path | None = None


def complete_card(folder: Path, facts: CardFacts) -> Path:
    """Write the facts into the card of an export and into its `embedder.json`, in place of earlier ones.

    Example:
        ```python
        complete_card(Path("export"), CardFacts("apache-2.0", ["akariasai/PopQA"], ["en"], evaluation=Path("evaluate")))
        ```

    Raises:
        DataError: The folder is no export or is damaged, or the evaluation has no table.
    """
    check_whole(folder)
    known = {name: value for name, value in asdict(facts).items() if value and name != "evaluation"}
    if facts.evaluation is not None:
        known["evaluation"] = _table(facts.evaluation)
    with whole_folder(folder, replace=True) as partial:
        copy_as_one(folder, partial)
        (partial / DIGESTS).unlink(missing_ok=True)
        description = json.loads((partial / DESCRIPTION).read_text(encoding="utf-8")) | {"card": known}
        tasks = {name: TaskSides(**sides) for name, sides in description["tasks"].items()}
        write_json(partial / DESCRIPTION, description)
        text = card(description, differences_of_long_texts(tasks, description["lengths"]))
        (partial / "README.md").write_text(text, encoding="utf-8")
    return folder


def _table(evaluation: Path) -> str:
    path = evaluation / "table.md"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DataError(path, None, f"the table of an evaluation cannot be read ({error.strerror})") from error
