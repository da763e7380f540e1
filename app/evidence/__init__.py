"""What the firings beside an atlas say of a claim about a feature, without the model."""
