"""Dictionaries and models that lie on the Hugging Face hub: their addresses, and getting them.

`fetching` asks the hub and is called by commands alone, with what the user typed. `finding` looks
on this machine only, in folders and in the hub's own cache, and is for everything else: an atlas
whose recipe names a repository makes nobody download it.
"""
