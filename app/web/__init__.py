"""The server: turns an atlas into pages and their JSON twins.

Knows the atlas (`app/db`) and statistics (`app/stats`); imports neither torch nor anything that
does.
"""
