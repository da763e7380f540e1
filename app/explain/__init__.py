"""Explanations of features asked of a language model, scored on texts it wasn't shown.

The only part of the project that sends any of an atlas away, and only when `feature-atlas explain`
is called. The server imports none of it.
"""
