"""The page of one feature, panel by panel, and the same as JSON."""
