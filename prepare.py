"""Propose candidates and let the LLM judge them: `python prepare.py task_mix=qa source=world`."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="prepare")
def main(config: DictConfig) -> float | None:
    """Build the run that `conf/prepare.yaml` describes, and run it; returns what a sweep goes by."""
    from embedder.entry.start import start

    return start(config)


if __name__ == "__main__":
    from embedder.entry.start import enter

    enter(main)
