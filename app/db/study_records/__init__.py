"""What studies found, one file for each study: dataclasses with a line and a unit for each field.

A record that is stored names its study in the class variable `STUDY`. Knows no SQL.
"""
