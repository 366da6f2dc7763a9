"""A trained retriever in use: encode, index, search, save. Its public names are those of `embedder` itself."""
