"""Encoders: from a model folder to vectors, and from training to a checkpoint and an export."""
