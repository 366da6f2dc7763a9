"""Starting a run: the parts are built in order, and what they are is logged."""
