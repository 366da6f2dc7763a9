"""What the encoder learns from: scores and rewards in, one scalar out."""
