"""Connections between dictionaries: on a feature's page, as a graph to walk, over a dictionary."""
