"""What an evaluation found: its files, means, intervals, comparisons and tables."""
