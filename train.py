"""Train a retriever and export it: `python train.py task_mix=qa`."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(config: DictConfig) -> float | None:
    """Build the run that `conf/train.yaml` describes, and run it; returns what a sweep goes by."""
    from embedder.entry.start import start

    return start(config)


if __name__ == "__main__":
    from embedder.entry.start import enter

    enter(main)
