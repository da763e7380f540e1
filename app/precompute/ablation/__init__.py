"""Stage 5: what becomes of a feature when the text before it is changed."""
