"""Pages and panels of what people write: labels, notes, lists."""
