"""What a feature's blobs hold comes back: examples bit for bit, the rest as precisely as said."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.db.records import GROUPS, AblationGroup, ExampleGroup, FeatureBundle, FeaturePanels, Group
from app.db.stored.ablations import STEPS_OF_BASELINE, pack_ablations, unpack_ablations
from app.db.stored.compact import ROUNDING, unpack_one
from app.db.stored.examples import StoredExamples, pack_examples, unpack_examples
from app.db.stored.panels import pack_panels, unpack_panels
from app.demo.synthetic.feature import make_feature
from app.demo.synthetic.firings import FiringMaker
from app.demo.synthetic.text import make_text
from tests.db.conftest import top_examples


@pytest.fixture(scope="module")
def bundles() -> list[FeatureBundle]:
    """Forty invented features of all kinds, a dead one among them."""
    text = make_text(300, 48, 64, np.random.default_rng(1), hostile=False)
    maker = FiringMaker(text, 1, 0)
    rng = np.random.default_rng(2)
    logits = rng.standard_normal((40, 300))
    made = [make_feature(i, maker.firings(i), text, logits[i], 40, rng) for i in range(40)]
    assert any(bundle.record.n_active == 0 for bundle in made)
    return made


def pack_one(pack: Callable[[list[Any]], list[bytes]], feature: Any) -> bytes:
    """The blob of a feature on its own."""
    (blob,) = pack([feature])
    return blob


def same(found: Any, stored: Any, rounding: float = 0.0) -> None:
    """Every field of a record, real ones as float32 and as close as `rounding`; `hidden_pre` where
    nothing fires keeps 16 significant bits."""
    for field in fields(stored):
        expected, value = getattr(stored, field.name), getattr(found, field.name)
        own = ROUNDING if field.name == "hidden_pre" else rounding
        if not isinstance(expected, np.ndarray):
            assert value == expected or value != value, field.name
        elif expected.dtype.kind == "f":
            expected = expected.astype(np.float32)
            np.testing.assert_allclose(value, expected, rtol=own, err_msg=field.name)
        else:
            np.testing.assert_array_equal(value, expected, err_msg=field.name)


def test_examples_come_back_bit_for_bit(bundles: list[FeatureBundle]) -> None:
    for bundle in bundles:
        found = unpack_examples(pack_one(pack_examples, bundle.examples), GROUPS)
        assert list(found) == [name for name in GROUPS if name in bundle.examples]
        for name, group in bundle.examples.items():
            same(found[name], group)


def test_only_what_is_asked_for_is_unfolded(bundles: list[FeatureBundle]) -> None:
    blob = pack_one(pack_examples, bundles[0].examples)
    assert list(unpack_examples(blob, {"quantile"})) == ["quantile"]
    same(unpack_examples(blob, {"quantile"})["quantile"], bundles[0].examples["quantile"])


def test_a_context_and_its_firings_stand_once(bundles: list[FeatureBundle]) -> None:
    for bundle in bundles:
        blob = pack_one(pack_examples, bundle.examples)
        stored: StoredExamples = unpack_one(StoredExamples, blob)
        ids = [group.context_id for group in bundle.examples.values()]
        distinct = np.unique(np.concatenate([np.zeros(0, np.int64), *ids]))
        np.testing.assert_array_equal(stored.context_id, distinct)
        assert stored.odd_activation.size == 0


def test_examples_that_contradict_their_firings_keep_what_they_say() -> None:
    plain = top_examples([0, 0, 2], [3.0, 2.0, 1.0])
    group = replace(
        plain,
        hidden_pre=np.array([0.5, np.nan, 1.0], np.float32),
        firing_indptr=np.array([0, 1, 3, 3]),
        firing_position=np.array([4, 2, 3]),
        firing_activation=np.array([0.25, 3.5, 1.5], np.float32),
        band_low=np.array([0.0, 1.0], np.float32),
        band_high=np.array([1.0, 3.0], np.float32),
        band_n_active=np.array([2, 3]),
        band_share=np.array([0.4, 0.5], np.float32),
    )
    for groups in ({"top": group}, {"top": plain, "silent": group}):
        found = unpack_examples(pack_one(pack_examples, groups), GROUPS)  # type: ignore[arg-type]
        for name, stored in groups.items():
            same(found[name], stored)  # type: ignore[index]


def test_firings_out_of_order_are_refused() -> None:
    group = replace(
        top_examples([0], [3.0]),
        firing_indptr=np.array([0, 2]),
        firing_position=np.array([4, 3]),
        firing_activation=np.array([3.0, 1.0], np.float32),
    )
    with pytest.raises(ValueError, match="order of position"):
        pack_examples([{"top": group}])


def test_what_one_feature_contradicts_changes_no_other(bundles: list[FeatureBundle]) -> None:
    """Groups that disagree on a context's firings cost their own feature its sharing."""
    features = [bundle.examples for bundle in bundles[:3]]
    top = features[1]["top"]
    odd: dict[Group, ExampleGroup] = {
        **features[1],
        "top": replace(top, firing_activation=top.firing_activation * 2),
    }
    found = pack_examples([features[0], odd, features[2]])
    alone = [pack_one(pack_examples, each) for each in (features[0], odd, features[2])]
    assert found == alone
    same(unpack_examples(found[1], GROUPS)["top"], odd["top"])


def test_a_feature_without_examples_has_none() -> None:
    assert unpack_examples(pack_one(pack_examples, {}), GROUPS) == {}
    empty: ExampleGroup = top_examples([], [])
    same(unpack_examples(pack_one(pack_examples, {"top": empty}), GROUPS)["top"], empty)


def test_effects_are_off_by_half_a_step_at_most(bundles: list[FeatureBundle]) -> None:
    for bundle in bundles:
        found = unpack_ablations(pack_one(pack_ablations, bundle.ablations))
        assert set(found) == set(bundle.ablations)
        for name, group in bundle.ablations.items():
            check_ablations(found[name], group)


def check_ablations(found: AblationGroup, group: AblationGroup) -> None:
    step = np.maximum(np.abs(group.baseline), np.abs(group.hidden_pre_baseline)) / STEPS_OF_BASELINE
    for way in ("delete", "replace"):
        allowed = np.repeat(0.5001 * step, np.diff(getattr(group, f"{way}_indptr")))
        for name in (f"{way}_effect", f"{way}_hidden_pre_effect"):
            expected = getattr(group, name)
            assert (np.abs(getattr(found, name) - expected) <= allowed + 1e-7 * abs(expected)).all()
        for name in (f"{way}_indptr", f"{way}_position"):
            np.testing.assert_array_equal(getattr(found, name), getattr(group, name))
    for name in ("rank", "kept"):
        np.testing.assert_array_equal(getattr(found, name), getattr(group, name))
    for name in ("baseline", "hidden_pre_baseline"):
        np.testing.assert_array_equal(getattr(found, name), getattr(group, name).astype(np.float32))
    for name in ("context_filled", "context_truncated"):
        expected = getattr(group, name).astype(np.float32)
        np.testing.assert_allclose(getattr(found, name), expected, rtol=ROUNDING)


ABLATIONS = AblationGroup(
    rank=np.array([0, 2, 3]),
    baseline=np.array([4.0, 2.0, 1.0], np.float32),
    hidden_pre_baseline=np.array([4.0, -3.0, 1.0], np.float32),
    delete_indptr=np.array([0, 2, 2, 3]),
    delete_position=np.array([5, 9, 1]),
    delete_effect=np.array([-4.0, 0.5, -0.25], np.float32),
    delete_hidden_pre_effect=np.array([-6.0, 0.5, -0.75], np.float32),
    replace_indptr=np.array([0, 0, 1, 2]),
    replace_position=np.array([7, 2]),
    replace_effect=np.array([-2.0, -1.0], np.float32),
    replace_hidden_pre_effect=np.array([1.5, -1.0], np.float32),
    kept=np.array([0, 1]),
    context_filled=np.array([[0.5, np.nan], [1.5, 1.0], [np.nan, np.nan]], np.float32),
    context_truncated=np.array([[0.25, np.nan], [0.5, 1.0], [np.nan, np.nan]], np.float32),
)


def test_gaps_own_baselines_and_empty_examples_are_kept() -> None:
    found = unpack_ablations(pack_one(pack_ablations, {"interval": ABLATIONS, "top": ABLATIONS}))
    assert list(found) == ["top", "interval"]
    for group in found.values():
        check_ablations(group, ABLATIONS)
        assert group.delete_effect[0] == -4.0  # silenced: exactly minus the baseline


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_effects_that_are_no_numbers_are_kept_as_they_are(value: float) -> None:
    odd = replace(ABLATIONS, delete_effect=np.array([-4.0, value, -0.1], np.float32))
    same(unpack_ablations(pack_one(pack_ablations, {"top": odd}))["top"], odd, ROUNDING)
    zero = replace(
        ABLATIONS,
        baseline=np.zeros(3, np.float32),
        hidden_pre_baseline=np.zeros(3, np.float32),
    )
    same(unpack_ablations(pack_one(pack_ablations, {"top": zero}))["top"], zero, ROUNDING)


def test_no_examples_and_no_changes_are_no_ablations() -> None:
    none = np.zeros(0)
    start = np.zeros(1, np.int64)
    empty = AblationGroup(
        none, none, none, start, none, none, none, start, none, none, none,
        np.array([0, 1]), np.zeros((0, 2)), np.zeros((0, 2)),
    )  # fmt: skip
    found = unpack_ablations(pack_one(pack_ablations, {"top": empty}))["top"]
    assert found.context_filled.shape == (0, 2) and found.delete_indptr.tolist() == [0]


def test_panels_come_back_as_precisely_as_said(bundles: list[FeatureBundle]) -> None:
    for bundle in bundles:
        found = unpack_panels(pack_one(pack_panels, bundle.panels))
        for field in fields(FeaturePanels):
            stored, value = getattr(bundle.panels, field.name), getattr(found, field.name)
            assert (stored is None) == (value is None)
            if stored is not None:
                same(value, stored, ROUNDING)


def test_what_follows_from_counts_follows_bit_for_bit(bundles: list[FeatureBundle]) -> None:
    for bundle in bundles:
        found = unpack_panels(pack_one(pack_panels, bundle.panels))
        if bundle.panels.coactive is not None and found.coactive is not None:
            same(found.coactive, bundle.panels.coactive)
        assert bundle.panels.logit_lens is not None and found.logit_lens is not None
        np.testing.assert_array_equal(
            found.logit_lens.histogram_edges,
            bundle.panels.logit_lens.histogram_edges.astype(np.float32),
        )


def test_partners_without_joint_firings_and_odd_shares_are_kept(
    bundles: list[FeatureBundle],
) -> None:
    panels = next(b.panels for b in bundles if b.panels.coactive is not None)
    assert panels.coactive is not None
    for changed in (
        replace(panels.coactive, n_joint=panels.coactive.n_joint * 0),
        replace(panels.coactive, lift=panels.coactive.lift * 1.5),
    ):
        found = unpack_panels(pack_one(pack_panels, replace(panels, coactive=changed))).coactive
        assert found is not None
        same(found, changed)


def test_a_blob_is_smaller_than_its_arrays(bundles: list[FeatureBundle], tmp_path: Path) -> None:
    """Numbers as they stand would take three times the room."""
    packed = raw = 0
    for bundle in bundles:
        packed += len(pack_one(pack_examples, bundle.examples))
        for group in bundle.examples.values():
            raw += sum(4 * getattr(group, f.name).size for f in fields(group)[:-1])
    assert packed < raw / 3
