"""Stage 7: does the retriever find the right keys, and does the LLM answer better with them?"""
