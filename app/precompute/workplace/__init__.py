"""What a run keeps until its atlas stands: files that outlive a crash, and the list of them."""
