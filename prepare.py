"""Propose candidates and let the LLM judge them: `python prepare.py task_mix=qa source=world`."""

from embedder.commands.console import main

if __name__ == "__main__":
    main("prepare")
