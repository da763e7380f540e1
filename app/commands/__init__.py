"""The commands of `feature-atlas`, one file each: options as they are typed, and their help.

Each turns its options into settings and calls one function; libraries are imported inside it, so
that the server's commands work where torch is not installed.
"""
