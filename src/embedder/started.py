"""How this process was started, so that messages name commands as the user types them."""

import sys
from pathlib import Path

SCRIPTS = ("train", "prepare", "evaluate")
"""The scripts of a checkout; each is a command of `embedder` too."""


def command(name: str) -> str:
    """How a user starts a command: `python train.py` in a checkout, or `embedder train`."""
    script = Path(sys.argv[0])
    as_script = script.suffix == ".py" and script.stem in SCRIPTS and name in SCRIPTS
    return f"python {name}.py" if as_script else f"embedder {name}"
