"""How keys are found: vectors in FAISS, words in BM25."""
