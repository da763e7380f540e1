"""Notebooks on both databases, as the notebook's own tests make them."""

from ..notebook.conftest import notebook, opened, place, postgres_place, postgres_server

__all__ = ["notebook", "opened", "place", "postgres_place", "postgres_server"]
