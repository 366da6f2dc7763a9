"""Train a retriever and export it: `python train.py task_mix=qa`."""

from embedder.entry.start import enter

if __name__ == "__main__":
    enter("train")
