"""An LLM behind an OpenAI-compatible completion server: where it is, what it is sent, how its answers are read."""
