"""Does the retriever find the right keys? Retrievers of one protocol, their rankings, benchmarks."""
