"""Connections: which features of dictionaries below cause a feature on its own examples.

`pairs.py` says which dictionaries lie below which, `chosen.py` on which examples, `attribution.py`
what each part of the activations below contributes, `removal.py` whether removing one really does
it, `study.py` puts them into pieces and prices them, `harvest.py` makes records of what they found.
"""
