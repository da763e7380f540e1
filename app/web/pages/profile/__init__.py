"""Ablated text over all examples of a feature: by token, by distance, by example."""
