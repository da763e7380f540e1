"""The bundled demo: a small language model, its dictionaries, and the text they were trained on.

`corpus.py` finds the text in the interpreter's own installation, `model/` and `dictionaries/` hold
the weights, `recipe/` is the program that trained them. Nothing here is imported by the server.
"""
