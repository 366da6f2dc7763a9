"""Stage 2: which keys could help a query, and who proposed them."""
