"""How long the activations at a hook are: by position and token, and which are outliers."""
