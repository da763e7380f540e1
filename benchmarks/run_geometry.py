"""One piece of the study of geometry on random rows, for `bench_geometry`: run in its own process.

Prints the CPU seconds of a range of 1,024 features among all, of one block of columns of the Gram
matrix, and of random directions.
"""

import sys

import numpy as np
import torch

from app.precompute.studies.geometry.chance import random_directions
from app.precompute.studies.geometry.neighbours import ROWS, near_of_range
from app.precompute.studies.geometry.pairs import WIDTH, PairSums
from benchmarks.measure import cost_of


def main() -> None:
    """Takes d_sae, d and what to do: nothing, features, pairs or random."""
    d_sae, d, what = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    W_dec = torch.empty(d_sae, d).normal_(generator=torch.Generator().manual_seed(0))

    def features() -> None:
        near_of_range(W_dec, (0, ROWS), np.ones(d_sae, np.bool_))

    def pairs() -> None:
        sums = PairSums(d, (0, min(WIDTH, d)))
        for start in range(0, d_sae, ROWS):
            sums.add(W_dec[start : start + ROWS])

    def random() -> None:
        random_directions("isotropic", d_sae, d, 0, None, W_dec.device)

    ways = {"features": features, "pairs": pairs, "random": random, "nothing": lambda: None}
    print(cost_of(ways[what]).cpu)


if __name__ == "__main__":
    main()
