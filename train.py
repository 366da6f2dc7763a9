"""Train a retriever and export it: `python train.py task_mix=qa`."""

from embedder.commands.console import main

if __name__ == "__main__":
    main("train")
