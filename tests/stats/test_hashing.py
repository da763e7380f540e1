"""The hash is splitmix64's, the same everywhere, and vectorised equals one by one."""

import numpy as np

from app.stats.hashing import mix, place_hashes


def test_the_first_outputs_of_splitmix64() -> None:
    # Published reference values of splitmix64 started at 0: its n-th output is mix(n * golden).
    golden = 0x9E3779B97F4A7C15
    outputs = [mix(n * golden % 2**64) for n in range(3)]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_arrays_equal_integers() -> None:
    context, position = np.array([0, 1, 2**31]), np.array([5, 0, 1023])
    expected = [
        mix(mix(mix(7) + 3) ^ (c << 32 | p))
        for c, p in zip(context.tolist(), position.tolist(), strict=True)
    ]
    assert place_hashes(7, 3, context, position).tolist() == expected


def test_seed_stream_and_place_all_matter() -> None:
    place = np.arange(1000)
    base = place_hashes(0, 0, place, place)
    assert np.unique(base).size == 1000
    for other in (place_hashes(1, 0, place, place), place_hashes(0, 1, place, place)):
        assert not np.intersect1d(base, other).size
