"""Dictionaries (sparse autoencoders): one internal form, architectures, a reader per format.

Needs torch only. Knows no language model, no corpus and no database: activations come in as
tensors, feature activations and reconstructions go out as tensors.
"""
