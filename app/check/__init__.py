"""Whether an atlas holds what it should: against itself, its events, and the model.

What must hold between its tables is `app.db.checks`'s; here is what needs the files beside it.
"""
