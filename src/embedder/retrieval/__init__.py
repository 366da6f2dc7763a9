"""Retrievers with one interface, the scores of their rankings, benchmarks."""
