"""Stage 2: the corpus once through model and encoder, every firing kept on disk."""
