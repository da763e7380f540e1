"""Stage 4: what a dictionary's weights say of its features, without any text."""
