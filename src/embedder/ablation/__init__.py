"""What each technique of a recipe contributes: runs without one of them, and seeds."""
