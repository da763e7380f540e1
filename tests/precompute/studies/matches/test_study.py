"""Matches from the job to the atlas: dictionaries of one run, and those added to an atlas."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.features import column_values
from app.db.studies import get_study, others_of
from app.db.study_records.matches import Matches
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.catalog import NAMES
from app.stats.directions import unit_rows

SKIP = [name for name in NAMES if name != "matches"]
ORDER = np.random.default_rng(3).permutation(24)


@pytest.fixture
def folders(small: Callable[..., PrecomputeSettings], write_sae: Callable[..., Path]) -> list[Path]:
    """Two of one hook, the second with half of the first's rows in another order; one elsewhere."""
    first = Path(small().sae[0])
    second = write_sae(first.parent / "second", "jumprelu", seed=5)
    rows = {path: load_file(path / "sae_weights.safetensors") for path in (first, second)}
    W_dec = rows[second]["W_dec"].copy()
    W_dec[ORDER[:12]] = 3 * rows[first]["W_dec"][:12]
    save_file(rows[second] | {"W_dec": W_dec}, second / "sae_weights.safetensors")
    elsewhere = write_sae(first.parent / "mlp", "topk", "blocks.1.hook_mlp_out")
    return [first, second, elsewhere]


def names(*saes: str) -> list[str]:
    return [f"tiny/{sae}" for sae in saes]


def stored(output: Path) -> dict[tuple[str, str], tuple[Matches, np.ndarray]]:
    """(record, which of its features live) of every pair."""
    atlas, found = open_atlas(output), {}
    with atlas.connect() as connection:
        saes = {name: find_sae(connection, "tiny", name) for name in ("first", "second", "mlp")}
        ids = {sae.sae_id: name for name, sae in saes.items() if sae is not None}
        for sae_id, name in ids.items():
            living = column_values(connection, sae_id, ["n_active"])["n_active"] > 0
            for other in others_of(connection, "matches", sae_id):
                record = get_study(connection, Matches, sae_id, other)
                assert record is not None
                found[name, ids[other]] = record, living
    atlas.close()
    return found


def check(
    found: dict[tuple[str, str], tuple[Matches, np.ndarray]], folders: list[Path], tolerance: float
) -> None:
    """Both ways, against the whole matrix of cosines."""
    assert set(found) == {("first", "second"), ("second", "first")}
    unit = {
        name: unit_rows(load_file(path / "sae_weights.safetensors")["W_dec"])
        for name, path in zip(("first", "second"), folders, strict=False)
    }
    for (own, other), (record, living) in found.items():
        cosine = unit[own] @ unit[other].T
        np.testing.assert_allclose(record.cosine, cosine.max(axis=1), atol=tolerance)
        assert record.mmcs == pytest.approx(cosine.max(axis=1)[living].mean(), abs=tolerance)
        assert record.n_living == living.sum()
        assert [each.kind for each in record.random] == ["isotropic", "covariance"]
        assert record.covariance_tokens > 0
    forward, backward = found["first", "second"][0], found["second", "first"][0]
    assert forward.best_index[:12].tolist() == ORDER[:12].tolist(), "what was planted"
    assert backward.best_index[ORDER[:12]].tolist() == list(range(12))
    matched = np.flatnonzero(forward.one_to_one >= 0)
    assert (backward.one_to_one[forward.one_to_one[matched]] == matched).all()
    np.testing.assert_array_equal(
        forward.one_to_one_cosine[matched],
        backward.one_to_one_cosine[forward.one_to_one[matched]],
    )


def test_dictionaries_of_one_run(
    small: Callable[..., PrecomputeSettings], folders: list[Path], quiet: Reporter
) -> None:
    settings = small(sae=folders, name=names("first", "second", "mlp"), skip=SKIP, verify=False)
    run(settings, reporter=quiet)
    found = stored(settings.output)
    check(found, folders, 1e-5)
    assert not found["first", "second"][0].half_precision


def test_a_dictionary_that_is_added_is_compared_with_those_that_were_there(
    small: Callable[..., PrecomputeSettings], folders: list[Path], quiet: Reporter
) -> None:
    first = small(sae=folders[:1], name=names("first"), skip=SKIP, verify=False)
    run(first, reporter=quiet)
    assert stored(first.output) == {}
    run(
        small(sae=folders[1:], name=names("second", "mlp"), skip=SKIP, verify=False),
        reporter=quiet,
    )
    found = stored(first.output)
    check(found, folders, 1e-3)
    assert all(record.half_precision for record, _ in found.values())

    # What is built again is compared again, also for the page of the one that stayed.
    changed = load_file(folders[1] / "sae_weights.safetensors")
    flipped = changed | {"W_dec": -changed["W_dec"]}
    save_file(flipped, folders[1] / "sae_weights.safetensors")
    run(
        small(sae=folders[1:2], name=names("second"), skip=SKIP, verify=False, replace=True),
        reporter=quiet,
    )
    again = stored(first.output)["first", "second"][0]
    assert not np.allclose(again.cosine, found["first", "second"][0].cosine, atol=0.1)


def test_without_decoder_rows_nothing_is_compared_and_the_price_says_so(
    small: Callable[..., PrecomputeSettings],
    folders: list[Path],
    quiet: Reporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(
        small(sae=folders[:1], name=names("first"), skip=SKIP, decoder_megabytes=0, verify=False),
        reporter=quiet,
    )
    said: list[str] = []
    monkeypatch.setattr(quiet, "say", said.append)
    settings = small(sae=folders[1:2], name=names("second"), skip=SKIP, verify=False)
    run(settings, reporter=quiet)
    assert stored(settings.output) == {}
    line = next(each for each in said if each.startswith("Study matches"))
    assert "not compared, as their decoder rows are not kept: first" in line


def test_one_to_one_is_left_out_beyond_its_bound(
    small: Callable[..., PrecomputeSettings], folders: list[Path], quiet: Reporter
) -> None:
    settings = small(
        sae=folders[:2], name=names("first", "second"), skip=SKIP, one_to_one=23, verify=False
    )
    run(settings, reporter=quiet)
    record, _ = stored(settings.output)["first", "second"]
    assert record.one_to_one.size == record.one_to_one_cosine.size == 0
