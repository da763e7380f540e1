"""The tokens of a whole context as links: each leads to itself, shaded by one measure.

Takes token records and a number for each token, gives markup. Knows neither events nor an address
beyond the query it is handed.
"""

from collections.abc import Callable, Sequence

from jaxtyping import Float
from markupsafe import Markup, escape
from numpy import isfinite, ndarray

from app.db.display import display
from app.db.records import TokenRecord
from app.web.charts.scales import HEAT_STEPS, heat_class
from app.web.markup import attribute
from app.web.token_markup import show_tokens

HEAT, SHADE = "heat", "shade"
"""the amber ramp, which is activation alone, and the grey one for everything else"""


def linked_tokens(
    tokens: Sequence[TokenRecord],
    values: Float[ndarray, " n"],
    maximum: float,
    ramp: str,
    counted: Sequence[bool],
    chosen: int | None,
    borders: frozenset[int],
    href: Callable[[int], str],
) -> Markup:
    """One link per token.

    Args:
        values: what shades each token; NaN or 0 for none.
        maximum: the value of the strongest step.
        borders: positions at which another document begins.
        href: address of the view that looks at a position.
    """
    pieces = []
    for i, shown in enumerate(show_tokens(tokens)):
        names = [shown.css, "" if counted[i] else "uncounted"]
        if isfinite(values[i]):
            names.append(heat_class(float(values[i]), maximum).replace(HEAT, ramp))
        if i in borders:
            names.append("border")
        css = " ".join(name for name in names if name)
        current = ' aria-current="true"' if i == chosen else ""
        mark = f' class="{css}"' if css else ""
        name = attribute("aria-label", "" if tokens[i].token.strip() else display(tokens[i].token))
        pieces.append(f'<a href="{escape(href(i))}"{mark}{current}{name}>{shown.inner}</a>')
    return Markup("".join(pieces))


__all__ = ["HEAT", "HEAT_STEPS", "SHADE", "linked_tokens"]
