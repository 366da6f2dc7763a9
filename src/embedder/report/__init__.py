"""What people look at: one HTML page of an evaluation, and the same numbers as a run of Weights & Biases."""
