"""The study "combined": occurrences, blocks and pairs of the examples single deletions miss."""
