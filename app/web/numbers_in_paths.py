"""The numbers of features and contexts in addresses: `{feature_index:number}` in a route.

At most twelve ASCII digits, so that no address can hold a number Python refuses to read; a longer
one is no address at all (404). Imported by the package of the routes, before any of them is made.
"""

from starlette.convertors import IntegerConvertor, register_url_convertor


class NumberConvertor(IntegerConvertor):
    """A whole number of a dictionary's or a corpus' size."""

    regex = "[0-9]{1,12}"


register_url_convertor("number", NumberConvertor())
