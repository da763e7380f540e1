"""How features switch on and off inside the regions they fire in; counts events, runs no model."""
