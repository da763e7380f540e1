"""A text as the model read it, each token leading to the view that looks at it.

Every link carries the whole text; where that would make the page too large the tokens are no links,
and a form beside them takes the position (a script lets one choose there as well). Takes tokens and
what shades them, gives markup. Knows no model.
"""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from markupsafe import Markup
from numpy import isfinite, ndarray

from app.db.records import TokenRecord
from app.web.charts.scales import heat_class
from app.web.pages.context.tokens import HEAT, linked_tokens
from app.web.token_markup import line_markup, show_tokens

MOST_LINK_CHARACTERS = 100_000
"""of all links together"""


def shown_text(
    tokens: Sequence[TokenRecord],
    values: Float[ndarray, " n"],
    maximum: float,
    ramp: str,
    counted: Sequence[bool],
    chosen: int | None,
    href: Callable[[int], str],
) -> Markup:
    """The tokens in a row.

    Args:
        values: what shades each token; NaN or 0 for none.
        maximum: the value of the strongest step.
        href: address of the view that looks at a position.
    """
    if len(tokens) * len(href(0)) <= MOST_LINK_CHARACTERS:
        return linked_tokens(tokens, values, maximum, ramp, counted, chosen, frozenset(), href)
    classes = {}
    for i, value in enumerate(values.tolist()):
        shade = heat_class(value, maximum).replace(HEAT, ramp) if isfinite(value) else ""
        names = (shade, "" if counted[i] else "uncounted", "peak" if i == chosen else "")
        if css := " ".join(name for name in names if name):
            classes[i] = css
    return line_markup(show_tokens(tokens), classes)
