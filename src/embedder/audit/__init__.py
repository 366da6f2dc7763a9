"""Labels that look wrong: prepared records are searched for them, and a page shows them."""
