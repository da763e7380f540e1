"""Links that open one thing, read-only, for those without a key."""
