"""Questions about documents, which the LLM writes itself and a reward filters."""
