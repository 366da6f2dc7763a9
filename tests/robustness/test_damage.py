"""Every file that the product writes, damaged in three ways: made again to the bit, or one error that names it.

ROBUSTNESS_WAYS is in how many of the ways each file is damaged; 1 takes the three in turn.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.robustness.chain import Chain, done
from tests.robustness.forked import Command
from tests.robustness.outcomes import contents, scores, weights, without_times

pytestmark = pytest.mark.slow

WAYS = int(os.environ.get("ROBUSTNESS_WAYS", "1"))


@dataclass(frozen=True)
class Reader:
    """A command that reads files.

    Args:
        command: It.
        outcome: What it made, which has to be the same to the bit, or what it said.
        removed: A folder that it would take over in place of reading.
    """

    command: Command
    outcome: Callable[[str], Any]
    removed: str = ""


def readers(chain: Chain) -> dict[str, tuple[Reader, ...]]:
    """Who reads each part of what was written; a file belongs to the first part that its path begins with."""
    root = chain.root

    def prepared(said: str) -> Any:
        return contents(root / "data" / "prepared")

    prepare_again = Reader(chain.prepare(), prepared, "data/prepared")
    resume = Reader(chain.train("half"), lambda said: weights(root / "half"))
    evaluate = Reader(chain.evaluate("again"), lambda said: scores(root / "again"))
    index = Reader(
        chain.index("again"), lambda said: without_times(json.loads((root / "again/index.json").read_text()))
    )
    save = Reader(chain.save_index("again"), lambda said: contents(root / "again"))
    page = Reader(chain.page(), lambda said: (root / "evaluate" / "report.html").read_text())
    compare = Reader(chain.compare(), lambda said: (root / "compare" / "compare.md").read_text())
    finish = Reader(chain.evaluate(), lambda said: scores(root / "evaluate"))
    return {
        "data/converted": (prepare_again, evaluate),
        "data/prepared": (Reader(chain.prepare(), prepared), resume),
        "data/store": (prepare_again, evaluate),
        "data/vectors": (evaluate, index),
        "half/": (resume,),
        "train/export": (evaluate, save),
        "train/": (page,),
        "evaluate/": (compare, page, finish),
        "saved/": (Reader(chain.search(), lambda said: said),),
    }


@pytest.fixture(scope="module")
def whole(chain, tmp_path_factory):
    """All that the commands of the chain wrote: a copy, from which it is put back."""
    for command in (chain.evaluate(), chain.index(), chain.save_index()):
        done(command, chain.root)
    half = chain.half_train().run(chain.root)
    assert half.status == -9, half.said[-4000:]
    for unread in ("index", "prepare"):  # by any command
        shutil.rmtree(chain.root / unread)
    folder = tmp_path_factory.mktemp("whole") / "copy"
    shutil.copytree(chain.root, folder)
    return folder


def written(whole: Path, parts: dict[str, Any]) -> dict[str, list[str]]:
    """Every file that a command wrote, by part; logs and files of locks are only appended to."""
    names = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file())
    own = ("mine/", "keys.jsonl", "said.txt")
    found: dict[str, list[str]] = {part: [] for part in parts}
    for name in names:
        if not name.startswith(own) and not name.endswith((".log", ".lock")):
            found[next(part for part in parts if name.startswith(part))].append(name)
    return found


@pytest.mark.parametrize("part", readers(Chain(Path("/"), Path("/"), Path("/"))))
def test_a_damaged_file_is_made_again_or_refused_by_name(chain, whole, part, say):
    parts, faults, n = readers(chain), [], 0
    names = written(whole, parts)[part]
    assert names
    for reader in parts[part]:
        status, expected, said = outcome_of(reader, chain.root, whole)
        assert status == 0, said
        for number, name in enumerate(names):
            content = (whole / name).read_bytes()
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else b"\n"
            damages = (content[:middle], flipped, b"", *(content[:middle], flipped))[number % 3 :][:WAYS]
            for damaged in damages:
                if damaged == content:
                    continue
                n += 1
                status, outcome, said = outcome_of(reader, chain.root, whole, name, damaged)
                if fault := fault_of(status, outcome == expected, said, chain.root / name):
                    faults.append(f"{reader.command.words[0]}, {name} with {len(damaged)} bytes: {fault}")
    say(f"{part}: {len(names)} files, damaged {n} times in all, {len(faults)} faults")
    assert not faults, "\n\n".join(faults)


def outcome_of(reader: Reader, root: Path, whole: Path, name: str = "", damaged: bytes = b"") -> tuple[int, Any, str]:
    """What a command makes of all files as they were written, but for one."""
    shutil.rmtree(root)
    shutil.copytree(whole, root)
    if reader.removed:
        shutil.rmtree(root / reader.removed)
    if name and (root / name).exists():
        (root / name).write_bytes(damaged)
    ended = reader.command.run(root)
    return ended.status, reader.outcome(ended.said) if ended.status == 0 else None, ended.said


def fault_of(status: int, same: bool, said: str, path: Path) -> str | None:
    """What is wrong with how a command took a damaged file."""
    if "Traceback" in said:
        return f"a traceback\n{said[-1500:]}"
    if status == 0:
        return None if same else f"another result without an error\n{said[-1500:]}"
    if status != 2:
        return f"status {status}\n{said[-1500:]}"
    named = path.name in said or str(path.parent) in said
    return None if named else f"an error that does not name it\n{said[-800:]}"
