"""What is seen of a job while it runs, and once it has ended. Measures time, changes nothing."""
