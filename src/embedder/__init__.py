"""Train one retriever for your own LLM: knowledge, memory, examples and tools."""

__version__ = "0.1.0"
