"""What the LLM does with what was retrieved: it answers, chooses, continues, searches on."""
