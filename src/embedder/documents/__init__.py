"""A source of data: a folder of a user's own documents, cut into passages, and questions about them."""
