"""Scores retrievers on data sets: what is retrieved and what the LLM makes of it, row by row into the folder."""
