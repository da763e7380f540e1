"""Thin routes: from an address to a page's context and its answer."""
