"""Encoders and language models, and where their files are found."""
