"""Hydra configuration: the wiring of the project."""
