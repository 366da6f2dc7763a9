"""Versions and kind of machine, which every result carries."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from embedder import __version__

_PACKAGES = ("torch", "transformers", "lightning", "faiss-cpu", "faiss-gpu", "bm25s", "hydra-core", "numpy")


def environment() -> dict[str, str]:
    """Versions and machine kind that every result carries."""
    versions = {"python": platform.python_version(), "machine": f"{platform.machine()} {os.cpu_count()} cores"}
    versions["embedder"] = __version__
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if (commit := _commit()) is not None:
        versions["commit"] = commit
    return versions


def _commit() -> str | None:
    """The commit of the checkout that this file lies in, with a plus sign if files differ from it."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
