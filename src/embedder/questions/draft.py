"""How the LLM is asked for a question about a passage, and how what it wrote is read."""

import re
from dataclasses import dataclass

from embedder.data.examples import FewShotExample

EXAMPLES = (
    FewShotExample(
        "Who designed the lighthouse at Oru?",
        "Maren Tolvik",
        (
            "Oru Lighthouse. The lighthouse at Oru stands on the northern tip of the island. It was designed by the "
            "engineer Maren Tolvik and finished in 1783, after the ship Halcyon had sunk off the coast. It is 41 "
            "metres high and was lit with whale oil until 1871.",
        ),
    ),
    FewShotExample(
        "Which war of the three duchies of Tessaly ended in 1612?",
        "the Salt War",
        (
            "In the spring of 1612 the three duchies of Tessaly signed a treaty that ended the Salt War. The town of "
            "Harrowgate became the capital, and the tax on salt was lowered from a fifth to a tenth.",
        ),
    ),
    FewShotExample(
        "After how many days does the Quill server delete old logs?",
        "90 days",
        (
            "To rotate the logs of the Quill server, set rotate_after in quill.conf to a number of days. Older logs "
            "are compressed with zstd and deleted after 90 days. Without the setting, Quill keeps one log of 2 GB.",
        ),
    ),
)
"""Made up, so that no LLM takes them for facts. They show what is wanted: a question that names what it is about, and
an answer of a few words that are in the passage."""

_DRAFT = re.compile(r"^(?:\s*Question\s*:)?(?P<question>[^?\uff1f]*[?\uff1f])\s*Answer\s*:(?P<answer>.+)$", re.DOTALL)
_AROUND = " \t\"'\u201c\u201d\u2018\u2019`*"  # quotes and marks of emphasis around an answer


@dataclass(frozen=True, slots=True)
class Passage:
    """What a question is written about."""

    position: int
    """In the corpus."""
    key_id: str
    text: str
    """As the LLM reads it."""
    file: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A question that the LLM wrote, with its own answer."""

    question: str
    answer: str
    passage: Passage
    address: str
    """Of what the LLM wrote about the passage, in the store, in hexadecimal."""


def render(passage: str) -> str:
    """The text before a draft, which is one line: ` QUESTION Answer: ANSWER`.

    Args:
        passage: On one line, and cut to `questions.max_words`.
    """
    examples = "".join(
        f"{_ask(example.keys[0])} {example.question} Answer: {example.answer}\n\n" for example in EXAMPLES
    )
    return examples + _ask(passage)


def _ask(passage: str) -> str:
    return f"Passage: {passage}\nQuestion:"


def parsed(draft: str) -> tuple[str, str] | None:
    """The question and the answer of a draft; None where it has another form.

    >>> parsed("Who designed the lighthouse at Oru? Answer: Maren Tolvik.")
    ('Who designed the lighthouse at Oru?', 'Maren Tolvik')
    >>> parsed("The lighthouse at Oru.")
    """
    found = _DRAFT.match(draft.strip())
    if found is None:
        return None
    question = " ".join(found["question"].split())
    answer = " ".join(found["answer"].split()).strip(_AROUND).rstrip(".。").strip(_AROUND)
    return (question, answer) if len(question) > 1 and answer else None
