"""The atlas file: its schema, its records, who writes it and how it is read.

This package is the contract between the job and the server. It knows SQLite, numpy and the shapes
of the records; it knows neither the model nor a page.
"""
