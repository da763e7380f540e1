"""The study of matches: which features of the dictionaries of one hook point the same way."""
