"""Studies: what the job measures of a dictionary as a whole, each optional, one folder each.

`catalog.py` lists them, `registry.py` says how each is done, `stage.py` gets them done. A study's
folder knows its own measure; what it found it stores as records of `app/db/study_records`.
"""
