"""The page of a data set's labels: what its rewards look like, and which labels look wrong."""

from dataclasses import dataclass

from embedder.audit.audit import Audit
from embedder.report import html
from embedder.rewards.label_report import LabelReport


@dataclass(frozen=True)
class LabelsView:
    """What the page shows.

    Args:
        name: Task and data set.
        records: The file of the records.
        report: The rewards; None for records that no LLM judged.
        audit: What looks wrong.
    """

    name: str
    records: str
    report: LabelReport | None
    audit: Audit


def render(view: LabelsView) -> str:
    """The page as text, all foreign text escaped and cut."""
    return html.environment("embedder.audit").get_template("labels.html.j2").render(view=view, **html.assets())
