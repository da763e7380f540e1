"""What things of the notebook and share links are called in addresses: `{uid:name}` in a route.

Anything without a dot, so that `….json` is the twin of a thing and never a thing of that name.
Imported by the package of the routes, before any of them is made.
"""

from starlette.convertors import StringConvertor, register_url_convertor


class NameConvertor(StringConvertor):
    """One part of a path that ends before a dot."""

    regex = "[^/.]+"


register_url_convertor("name", NameConvertor())
