"""What people write about features: labels, notes, lists, stars, in a database of their own."""
