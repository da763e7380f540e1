"""The recipe of the bundled weights: `python -m app.demo.recipe` trains all of them from a seed."""
