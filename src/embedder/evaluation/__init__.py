"""Scores retrievers, and the LLM's answers with their keys, on data sets; writes row by row into the folder."""
