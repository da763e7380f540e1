"""The compiled order of places is `PlaceHash`, and leads back from a hash to its place."""

import numpy as np
import pytest

from app.precompute.ranges.hashing import ROUNDS, hash_of, place_of, rounds_of
from app.stats.hashing import mix
from app.stats.permutation import PlaceHash


@pytest.mark.parametrize("n_places", [1, 300, 2**20, 2**31, 2**32 + 1, 10**12])
def test_hashes_are_those_of_the_definition_and_lead_back(n_places: int) -> None:
    for seed, feature in ((0, 0), (7, 123_456), (2**64 - 1, 3)):
        hashing = PlaceHash(seed, feature, n_places)
        rounds = np.empty((3, ROUNDS), np.uint64)
        rounds_of(np.uint64(mix(seed)), feature, hashing.n_bits, rounds)
        places = np.unique([0, n_places // 3, n_places // 2, n_places - 1])
        hashes = [int(hash_of(place, rounds, hashing.n_bits)) for place in places]
        assert hashes == hashing.of(places).tolist()
        assert [int(place_of(h, rounds, hashing.n_bits)) for h in hashes] == places.tolist()
