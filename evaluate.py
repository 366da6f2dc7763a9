"""Score a trained retriever beside the baselines: `python evaluate.py checkpoint=DIRECTORY`."""

from embedder.entry.start import enter

if __name__ == "__main__":
    enter("evaluate")
