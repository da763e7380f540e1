"""`/{model}/{sae}/pruning`: what a dictionary is worth without its dense or its rare features."""
