"""Whether a run resumes with the data that it was trained on, known before anything is prepared."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embedder.encoders.checkpoint_file import CHECKPOINT_KEY, read_checkpoint
from embedder.errors import DataError

_ROLES = {
    "corpus": "the documents or the corpus of {name} (source.path, source.cutting) changed",
    "test_share": "source.test_share was {old} and is {new}",
    "records": "the records of {name} (source.path) changed",
    "train": "the training queries of {name} (source.questions or train.jsonl) changed",
}
"""What a data set is made of, as a user finds it."""


def check_data(checkpoint: Path, data: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    """Refuse to resume with other data than the checkpoint was trained on, before anything is asked of the LLM.

    Args:
        checkpoint: What to resume from.
        data: All that the records of each data set depend on; none of one whose queries are still to be written.
        sources: What each data set is made of: digests by role, and `test_share`.

    Raises:
        DataError: Something differs, and the message says which file or setting.
    """
    before = read_checkpoint(checkpoint)[CHECKPOINT_KEY]["about"]
    if before["data"] == data:
        return
    found = [*changed_sources(before["sources"], sources), *_changed_settings(before["data"], data)]
    advice = "put it back as it was, or start a new run, which asks the LLM for nothing that its store has"
    raise DataError(checkpoint, None, f"this run has trained with other data: {found[0]}; {advice}")


def changed_sources(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs in that which data sets are made of, in words, the cause before what follows from it.

    >>> changed_sources({"qa/docs": {"train": "a", "test_share": 0.3}}, {"qa/docs": {"train": "a", "test_share": 0.5}})
    ['source.test_share was 0.3 and is 0.5']
    """
    found = [f"{name} was not there" for name in now if name not in before]
    found += [f"{name} is no longer there (source.path)" for name in before if name not in now]
    for role, words in _ROLES.items():
        for name in before.keys() & now.keys():
            old, new = before[name].get(role), now[name].get(role)
            if role == "train" and new is None:
                found.append("the questions that the LLM wrote are of other settings (questions, llm)")
            elif role in now[name] and old != new:
                found.append(words.format(name=name, old=old, new=new))
    return found


def _changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in before.keys() & now.keys():
        keys = sorted({*before[name], *now[name]})
        if changed := [key for key in keys if before[name].get(key) != now[name].get(key)]:
            yield f"other settings of {name} ({', '.join(changed)})"
