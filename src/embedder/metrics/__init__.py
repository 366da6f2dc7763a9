"""How good a ranking or an answer is: numbers for one prediction, and their means."""
