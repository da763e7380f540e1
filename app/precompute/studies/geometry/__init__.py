"""The study of geometry: where a dictionary's directions lie to each other, and by chance."""
