"""`python -m embedder` is the command `embedder`, also for `torchrun -m embedder train`."""

from embedder.commands.console import main

if __name__ == "__main__":
    main()
