"""Statistics of whole ranges of features, compiled: the numbers of `app.stats`, many times faster.

`app.stats` defines every number for one feature, in numpy; the loops here give the same ones, bit
for bit, for all features of a range at once. Needs numba, so the server never imports it.
"""
