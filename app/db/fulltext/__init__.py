"""Search by words: what is stored for it, writing it, asking it."""
