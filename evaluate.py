"""Score a trained retriever beside the baselines: `python evaluate.py checkpoint=DIRECTORY`."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(config: DictConfig) -> float | None:
    """Build the run that `conf/evaluate.yaml` describes, and run it; returns what a sweep goes by."""
    from embedder.entry.start import start

    return start(config)


if __name__ == "__main__":
    from embedder.entry.start import enter

    enter(main)
