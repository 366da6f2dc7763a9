"""Stage 6: what happens around training, one behaviour a file."""
