"""The study "effects": what the model loses when a feature is removed at its own firings."""
