"""Stage 1: records and corpora on disk, the sources they come from, and the prompts that show them to an LLM."""
