"""Features as points: the scatter of two columns and the map of directions."""
