"""The vectors of a corpus on disk: encoded once, by one process or many, and read by every run from a memory map."""
