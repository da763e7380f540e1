"""What random dictionaries would match: largest cosines of random directions to random others.

Takes the size of the other side; both sides are isotropic, or both have a covariance. Directions
are made block by block: memory is those asked and a block. Knows no dictionary.
"""

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from app.db.study_records.matches import RandomMatches
from app.precompute.studies.geometry.chance import random_blocks

ASKED = 2048
"""Directions that are asked: their mean is off by less than 0.002."""
_OTHER_STREAM = 1
"""Of the other side's directions."""


def random_matches(
    kind: str,
    n_others: int,
    d_out: int,
    seed: int,
    root: Float32[ndarray, "d_out d_out"] | None,
    device: torch.device,
) -> RandomMatches:
    """Of `ASKED` directions among `n_others`."""
    asked = torch.cat(list(random_blocks(ASKED, d_out, seed, root, device)))
    best = torch.full((ASKED,), -torch.inf, device=device)
    for rows in random_blocks(n_others, d_out, seed, root, device, _OTHER_STREAM):
        best = torch.maximum(best, (asked @ rows.T).max(dim=1).values)
    cosine = best.clamp(-1, 1).cpu().numpy()
    return RandomMatches(kind, ASKED, float(cosine.astype(np.float64).mean()), cosine)
