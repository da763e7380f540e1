"""One file for each step: `NNNN_what_it_adds.py`; a step that was released never changes."""
