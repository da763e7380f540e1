"""The page of the norms a dictionary reads: by position, by token, outliers, other hooks."""
