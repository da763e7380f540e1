"""Feature Atlas: a browser for the features of a language model."""

__version__ = "0.1.0"
