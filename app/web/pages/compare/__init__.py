"""Two or three features side by side, and the pairs of a dictionary."""
