"""How records lie in the file, in as few bytes as they hold; both directions."""
