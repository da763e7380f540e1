"""Caches of firings that Eleuther's delphi writes, read as they lie."""
