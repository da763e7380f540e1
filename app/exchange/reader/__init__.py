"""An atlas as Python objects: what notebooks, scripts and every export read.

Takes the file, gives records with texts beside ids. Read-only, without torch; knows no format.
"""
