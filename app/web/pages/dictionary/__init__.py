"""A dictionary: its features as a filtered, sorted list, its figures and its files."""
