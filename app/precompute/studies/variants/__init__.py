"""What other tools print for the same dictionary, on a sample of contexts."""
