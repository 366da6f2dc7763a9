"""Callbacks of Lightning around training, one behaviour a file."""
