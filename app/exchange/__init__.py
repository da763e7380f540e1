"""Atlases and other tools' files, in both directions."""
