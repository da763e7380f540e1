"""Charts as data: geometry for the server's SVG and a figure for Plotly, from plain numbers.

Knows no database, no feature and no template.
"""
