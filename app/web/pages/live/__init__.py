"""Pages that ask the model: one's own text on a feature, what fires on a text, steering."""
