"""From data sets to the records that training reads: candidates, labels of the LLM, files."""
