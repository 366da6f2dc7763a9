"""The command `embedder`: the commands whose arguments Hydra does not read."""
