"""What the geometry of random directions would be: isotropic ones, or ones with a covariance.

Takes a shape and a seed; measures of the first few thousand directions what is measured of
features, among as many directions as the dictionary has. Directions are made again, block by
block, whenever they are needed: memory is those asked and one block. Knows no dictionary.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from app.db.study_records.geometry import RandomDirections
from app.precompute.studies.geometry.nearest import Nearest, unit, without_itself
from app.precompute.studies.geometry.neurons import neurons_of
from app.precompute.studies.geometry.pairs import PairSums, pair_cosines

MOST_ASKED = 4096
"""Directions whose neighbours are looked for: a histogram of more would look the same."""
MOST_PAIRED = 16_384
"""Directions whose pairs are summed."""
BLOCK = 2048


def random_blocks(
    n: int,
    d_out: int,
    seed: int,
    root: Float32[ndarray, "d_out d_out"] | None,
    device: torch.device,
    stream: int = 0,
) -> Iterator[Float[Tensor, "rows d_out"]]:
    """`n` unit directions in blocks, the same whenever they are asked for; streams are others.

    `root`: see `Covariance.root`; None for isotropic ones.
    """
    turned = None if root is None else torch.from_numpy(root).to(device)
    for start in range(0, n, BLOCK):
        rng = np.random.default_rng([seed, stream, d_out, start, root is not None])
        drawn = rng.standard_normal((min(BLOCK, n - start), d_out), dtype=np.float32)
        rows = torch.from_numpy(drawn).to(device)
        yield unit(rows if turned is None else rows @ turned)


def random_directions(
    kind: str,
    n: int,
    d_out: int,
    seed: int,
    root: Float32[ndarray, "d_out d_out"] | None,
    device: torch.device,
) -> RandomDirections:
    """All of it."""
    n_asked, sums = min(n, MOST_ASKED), PairSums(d_out)
    first = random_blocks(n_asked, d_out, seed, root, device)
    asked = torch.cat(list(first))
    nearest, start = Nearest(n_asked, device), 0
    for rows in random_blocks(n, d_out, seed, root, device):
        nearest.add(without_itself(asked @ rows.T, 0, start))
        if start < MOST_PAIRED:
            sums.add(rows)
        start += len(rows)
    index = nearest.index()
    most = int(np.bincount(index[index >= 0], minlength=1).max())
    shares = neurons_of(asked).share
    return RandomDirections(
        kind, n, n_asked, nearest.cosine(), most, shares, pair_cosines([sums.found])
    )
