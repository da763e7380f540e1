"""Drawings of a feature's panels that stand alone: SVG for papers and slides.

Takes what the page's builders made, so that a figure shows the page's own numbers. Colours are
those of the light theme, written into each shape; widths are planned, not measured.
"""
