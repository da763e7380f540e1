"""A distribution as `app.stats` gives it, as studies store it."""

import numpy as np

from app.db.study_records.spread import Spread
from app.stats.distribution import SHARES, Distribution


def spread_of(found: Distribution) -> Spread:
    """The same, with the shares its quantiles are at."""
    return Spread(shares=np.array(SHARES), **vars(found))
