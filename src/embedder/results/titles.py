"""How the rows of the evaluation table are called, by their names in the settings."""

ALONE = "no retrieval"
"""The LLM alone."""
UPPER_BOUND = "oracle"
"""The row that knows the gold keys: a bound, not a competitor."""
TITLES = {
    "none": ALONE,
    "random": "random",
    "recent": "most recent",
    "bm25": "BM25",
    "base": "base encoder",
    "hybrid": "hybrid",
    "trained": "trained encoder",
    "oracle": UPPER_BOUND,
}
