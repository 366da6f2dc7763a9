"""`python -m embedder` is the command `embedder`, also for `torchrun -m embedder train`."""

from embedder.app.console import main

if __name__ == "__main__":
    main()
