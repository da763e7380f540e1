"""`/{model}/{sae}/geometry`: where the decoder directions of a dictionary lie to each other."""
