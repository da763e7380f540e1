"""Whether the content of an atlas agrees with itself: one file for each kind of table."""
