"""The range of activations an example was drawn from, as SAEDashboard and Neuronpedia write it.

The strongest texts have −1 for a lower bound. The intervals divide 0 to the largest activation into
equal steps, and what they are said to contain is a share of all tokens, of which the lowest one
counts those where the feature is 0; both are rounded to 0.00001. Takes three fields of an entry and
the feature's density, gives the group and the range with its share of the active tokens.
"""

from app.exchange.foreign import ForeignBand, ForeignGroup
from app.exchange.importing.entry import Entry

ROUNDED_TO = 1e-5
_SURE_TO = 0.1
"""A share known worse than this is left out"""


def group_and_band(
    entry: Entry, low: str, high: str, contains: str, density: float | None
) -> tuple[ForeignGroup, ForeignBand | None]:
    """Args: `low`, `high` and `contains` are the fields' names."""
    bottom, top = entry.number(low), entry.number(high)
    if bottom is None or top is None or bottom == -1:
        return "top", None
    if top < bottom:
        entry.wrong(high, top, f"no less than {low} = {bottom:g}")
    share = _share_of_active(entry.number(contains), density, lowest=bottom == 0)
    return "interval", ForeignBand(bottom, top, share)


def _share_of_active(share: float | None, density: float | None, lowest: bool) -> float | None:
    if share is None or not density or ROUNDED_TO / density > _SURE_TO:
        return None
    of_active = (share - (1 - density if lowest else 0)) / density
    off = 2 * ROUNDED_TO / density
    return min(max(of_active, 0.0), 1.0) if -off <= of_active <= 1 + off else None
