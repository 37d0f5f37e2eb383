"""What an operator does with a root: look at its runs, publish an earlier one again, delete old ones."""
