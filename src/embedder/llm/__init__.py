"""The LLM: run here or asked over a server, and the stores that remember what it said."""
