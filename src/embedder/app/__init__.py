"""Starting a run: build the parts in order, log what they are, and turn users' errors into one line."""
