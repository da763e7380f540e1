"""`/{model}/{sae}/matches`: the features of a dictionary among those of another at its hook."""
