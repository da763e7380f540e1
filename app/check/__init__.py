"""Whether an atlas holds what it should: against itself, its events, and the model.

What must hold between its tables is `app.db.check`'s; here is what needs the files beside it.
"""
