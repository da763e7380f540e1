"""How well single tokens are reconstructed: distributions over all counted tokens."""
