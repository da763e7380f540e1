"""What pages read of the notebook, and how forms write into it."""
