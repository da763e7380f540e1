"""Tests of a reading: a sentence about what a feature fires on, held against all of its firings.

`grammar` makes a tree of a line of text, `matching` finds the tokens at which the tree says yes,
`score` compares them with the firings, `counterexamples` lists where the two differ. Numpy only:
neither a model nor a database.
"""
