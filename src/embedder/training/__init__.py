"""Stages 4 and 5: from records to homogeneous batches, and from batches to weights."""
