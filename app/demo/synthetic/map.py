"""An invented map of directions: round clusters of uneven size, with no directions behind them.

Takes a number of features and seeds, gives positions. Knows no dictionary.
"""

import numpy as np

from app.db.records import DirectionMap

_FEATURES_PER_CLUSTER = 60


def make_map(n_features: int, seed: int, sae: int) -> DirectionMap:
    """The same arguments give the same map."""
    rng = np.random.default_rng([seed, sae, 3])
    n_clusters = max(1, n_features // _FEATURES_PER_CLUSTER)
    centres = rng.normal(scale=4.0, size=(n_clusters, 2))
    widths = rng.uniform(0.1, 0.9, size=n_clusters)
    cluster = rng.choice(n_clusters, size=n_features, p=rng.dirichlet(np.full(n_clusters, 2.0)))
    spread = rng.normal(size=(n_features, 2)) * widths[cluster, None]
    return DirectionMap("invented clusters", (centres[cluster] + spread).astype(np.float32))
