"""The study "pruning": a dictionary without its densest, its rarest or random features."""
