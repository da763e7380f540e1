"""Testing a reading of a feature against all of its firings."""
