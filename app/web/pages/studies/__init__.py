"""Pages of what studies found about a dictionary as a whole: one folder or file for each page."""
