"""What the LLM does with the retrieved keys: it answers, chooses an option, continues a text, or searches again."""
