"""Propose candidates and let the LLM judge them: `python prepare.py task_mix=qa source=world`."""

from embedder.entry.start import enter

if __name__ == "__main__":
    enter("prepare")
