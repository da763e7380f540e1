"""Firings found tile by tile are the non-zero entries of the dense encoding, whatever the tile."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.precompute.events import firings, whole_row_firings
from app.precompute.events.finder import finder
from app.precompute.events.firings import FiringFinder, Firings, ThresholdFinder
from app.precompute.events.selecting import LANES, append_runs, order_by_row, select_above
from app.precompute.events.top_k_firings import TopKFinder
from app.sae.architectures import Gated, GroupMax, JumpReLU, TopK
from app.sae.dictionary import Dictionary
from app.sae.normalisation import Normalisation

Dictionaries = Callable[..., Dictionary]
D_IN, D_SAE = 8, 40


@pytest.fixture
def make(tiny_dictionary: Dictionaries) -> Callable[[str], Dictionary]:
    """A dictionary of a kind; "gated" too, one with a pre-bias and a normalised input, and top-k
    dictionaries with every awkward k.
    """

    def dictionary(kind: str) -> Dictionary:
        name, _, k = kind.partition(" ")
        if name == "topk":
            return replace(tiny_dictionary(D_IN, D_SAE), activation=TopK(int(k)))
        if name == "groupmax":
            return replace(tiny_dictionary(D_IN, D_SAE), activation=GroupMax(int(k)))
        if name == "gated":
            generator = torch.Generator().manual_seed(3)
            shifts = torch.randn(3, D_SAE, generator=generator)
            return replace(tiny_dictionary(D_IN, D_SAE), activation=Gated(*(0.5 * shifts)))
        if name == "normalised":
            return replace(
                tiny_dictionary(D_IN, D_SAE, "jumprelu"),
                b_pre=torch.linspace(-1, 1, D_IN),
                normalisation=Normalisation("layer_norm"),
            )
        return tiny_dictionary(D_IN, D_SAE, name)

    return dictionary


KINDS = (
    *("relu", "jumprelu", "gated", "normalised"),
    *("topk 1", "topk 4", "topk 39", "topk 40"),
    *("groupmax 1", "groupmax 8", "groupmax 40"),
)


def rows_of(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, D_IN, generator=torch.Generator().manual_seed(seed))


def dense(found: Firings, d_sae: int) -> torch.Tensor:
    """The firings as the encoding they stand for; fails where one is there twice."""
    acts = torch.zeros(found.n_rows, d_sae)
    assert len(set(zip(found.row.tolist(), found.feature.tolist(), strict=True))) == len(found.row)
    acts[found.row, found.feature] = found.activation.float()
    return acts


def check(search: FiringFinder, x: torch.Tensor) -> None:
    """Firings, their order, hidden_pre and reconstruction against the dense way."""
    dictionary = search.dictionary
    hidden_pre, acts = dictionary.forward_encoder(x)
    kept = torch.arange(0, len(x), 3)
    found, rows = search.find(x, kept)
    torch.testing.assert_close(dense(found, acts.shape[1]), acts.float(), rtol=1e-4, atol=1e-5)
    assert (found.activation > 0).all()
    torch.testing.assert_close(rows, hidden_pre[kept], rtol=1e-4, atol=1e-5)
    keys = found.feature * (len(x) + 1) + found.row
    assert (keys.diff() > 0).all()
    by_row = (found.row * len(dictionary.b_enc) + found.feature)[found.by_row]
    assert (by_row.diff() > 0).all()
    expected = dictionary.decode(acts, x)
    torch.testing.assert_close(found.decode(dictionary, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile_features", [1, 7, 16, 40, 99])
def test_equal_to_the_dense_encoding(
    make: Callable[[str], Dictionary], kind: str, tile_features: int
) -> None:
    search = finder(make(kind), tile_features)
    for n in (70, 1, 0, 200):  # the same finder for fewer and for more rows
        check(search, rows_of(n, seed=n))


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_of_other_devices_is_equal(
    make: Callable[[str], Dictionary], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is compiled, the device's own operations find the same."""
    monkeypatch.setattr(firings, "is_compiled_for", lambda _: False)
    check(finder(make(kind), 16), rows_of(70))


def test_a_value_at_its_threshold_is_silent(make: Callable[[str], Dictionary]) -> None:
    """The margin of the search lets it through; the activation function has the last word."""
    dictionary = make("jumprelu")
    x = rows_of(1)
    exact = dictionary.hidden_pre(x)[0]
    found, _ = finder(dictionary, D_SAE).find(x)
    fired = exact[found.feature]
    assert len(fired) and (fired > 0.2).all()
    highest = found.activation.max().repeat(D_SAE)
    search = finder(replace(dictionary, activation=JumpReLU(highest)), D_SAE)
    assert isinstance(search, ThresholdFinder)
    assert len(search.find(x)[0].feature) == 0


def test_ties_at_the_border_go_to_the_lower_feature(make: Callable[[str], Dictionary]) -> None:
    dictionary = make("topk 3")
    same = torch.ones_like(dictionary.W_enc)
    tied = replace(dictionary, W_enc=same, b_enc=torch.zeros(D_SAE))
    found, _ = finder(tied, 7).find(torch.ones(5, D_IN))
    assert found.feature.tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_rows_that_are_encoded_whole_come_in_blocks(
    make: Callable[[str], Dictionary], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_row_firings, "ROW_BLOCK_ELEMENTS", 3 * D_SAE)
    check(finder(make("groupmax 8"), 16), rows_of(10))


@pytest.mark.parametrize("rank", [1.0, 16.0])
def test_a_bad_guess_costs_time_and_nothing_else(
    make: Callable[[str], Dictionary], rank: float
) -> None:
    """A bound that lets too few through, and one that lets nearly all through."""
    search = finder(make("topk 4"), 16)
    assert isinstance(search, TopKFinder)
    search._rank = rank
    check(search, rows_of(300))
    if rank == 1.0:
        assert search._rank > rank  # most rows had to be encoded whole
    for seed in range(30):
        search.find(rows_of(300, seed))
    assert 1.0 < search._rank < 16.0


def test_what_never_fires_is_no_tie(make: Callable[[str], Dictionary]) -> None:
    """Fewer than k positive values: all of them fire, and no row is encoded whole for that."""
    dictionary = make("topk 30")
    search = finder(replace(dictionary, b_enc=torch.full((D_SAE,), -2.0)), 40)
    check(search, rows_of(50))


@settings(max_examples=30, deadline=None)
@given(
    n_features=st.integers(0, 4),
    n_rows=st.sampled_from([0, 1, LANES - 1, LANES, LANES + 1, 3 * LANES]),
    share=st.sampled_from([0.0, 0.03, 0.5, 1.0]),
    by_row=st.booleans(),
)
def test_selecting_against_numpy(n_features: int, n_rows: int, share: float, by_row: bool) -> None:
    rng = np.random.default_rng(n_rows)
    values = rng.random((n_features, n_rows)).astype(np.float32)
    floors = [np.zeros(n, np.float32) for n in (n_features, n_rows)]
    floors[by_row] = (1 - share + 0.1 * (rng.random(floors[by_row].size) - 0.5)).astype(np.float32)
    room = [np.empty(values.size + 2, dtype) for dtype in (np.int64, np.int64, np.float32)]
    bias = rng.normal(scale=0.1, size=n_features).astype(np.float32)
    used = select_above(values, bias, floors[0], floors[1], 5, room[0], room[1], room[2], 2)
    found = values + bias[:, None]
    expected = np.argwhere(found > floors[0][:, None] + floors[1])
    assert used == 2 + len(expected)
    assert (room[0][2:used] == expected[:, 0] + 5).all()
    assert (room[1][2:used] == expected[:, 1]).all()
    assert (room[2][2:used] == found[tuple(expected.T)]).all()


def test_orders_by_counting() -> None:
    rng = np.random.default_rng(0)
    row = rng.integers(0, 30, 200)
    assert (order_by_row(row, 40) == np.argsort(row, kind="stable")).all()
    counts = rng.integers(0, 4, (3, 10))
    blocks = [(block, rng.integers(0, 99, block.sum()).astype(np.uint16)) for block in counts]
    ends = np.cumsum(counts.sum(axis=0))
    following = ends - counts.sum(axis=0)
    tokens, activations = np.zeros(ends[-1], np.uint16), np.zeros(ends[-1], np.float32)
    for block, token in blocks:
        append_runs(block, token, token.astype(np.float32), following, tokens, activations)
    assert (following == ends).all() and (tokens == activations).all()
    runs = [np.split(token, np.cumsum(block)[:-1]) for block, token in blocks]
    assert tokens.tolist() == np.concatenate([run[i] for i in range(10) for run in runs]).tolist()
