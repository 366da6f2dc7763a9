"""Several processes label; the records are those of one process."""
