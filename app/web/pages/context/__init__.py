"""One whole context, with what a feature does at each of its tokens."""
