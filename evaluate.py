"""Score a trained retriever beside the baselines: `python evaluate.py checkpoint=DIRECTORY`."""

from embedder.commands.console import main

if __name__ == "__main__":
    main("evaluate")
