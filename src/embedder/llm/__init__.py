"""The LLM: run here or on a server, and the stores of its log-likelihoods and outputs."""
