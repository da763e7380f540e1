"""Firings that somebody else counted: a job over them, with or without the model they came from."""
