"""Thin routes: from an address to a page's context and its answer."""

import app.web.names_in_paths
import app.web.numbers_in_paths  # noqa: F401
