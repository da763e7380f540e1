"""What studies, checks, pages and the live model make of transcoders, beside brute force.

A transcoder reads one hook and writes another; the second one here is four times as wide where it
writes, and has a linear part.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient

from app.check.whole import Asked, check_whole
from app.db.info import describe_atlas
from app.db.studies import get_study, others_of
from app.db.study_records.connections import PairConnections
from app.db.study_records.geometry import Geometry
from app.db.study_records.norms import Norms
from app.db.study_records.pruning import Pruning
from app.db.study_records.variants import Variants
from app.live.loading import Sources, load
from app.live.protocol import Change
from app.live.steering import visitors
from app.precompute.model.frozen import frozen
from app.precompute.model.language_model import LanguageModel
from app.precompute.studies.connections.attribution import Attributor, Batch
from app.precompute.studies.connections.removal import remove
from app.precompute.target import Target
from app.sae.dictionary import Dictionary
from app.sae.readers import load_dictionary
from app.settings import Settings
from app.web.factory import create_app
from tests.precompute.sites.conftest import SITES, TRANSCODERS, ByHand, Placed

BOTH = pytest.mark.parametrize("name", list(TRANSCODERS))
ABOVE = "blocks.1.hook_resid_post"


def study(found: Placed, kind: Any) -> Any:
    """A record of a dictionary that must be there."""
    record = get_study(found.connection, kind, found.stored.sae_id)
    assert record is not None
    return record


@BOTH
def test_norms_are_of_what_is_written(transcoders: dict[str, Placed], name: str) -> None:
    found = transcoders[name]
    norms = study(found, Norms)
    assert norms.hook_name == found.writes
    length = np.linalg.norm(found.y, axis=-1)
    assert norms.norm.median == pytest.approx(np.median(length[found.counted]), rel=1e-4)
    assert norms.zero is not None
    assert norms.zero.mean == pytest.approx(length[:, 0].mean(), rel=1e-4)
    outlier = length[found.counted] > norms.threshold
    residual = np.square(found.y - found.y_hat)[found.counted][~outlier]
    assert norms.mse_without_outliers == pytest.approx(residual.mean(), rel=1e-3)


@BOTH
def test_chance_has_the_covariance_of_what_is_written(
    transcoders: dict[str, Placed], name: str
) -> None:
    found = transcoders[name]
    geometry = study(found, Geometry)
    assert geometry.d_out == found.y.shape[-1]
    assert [each.kind for each in geometry.random] == ["isotropic", "covariance"]
    assert geometry.covariance_tokens == found.counted.sum()
    rows = found.tensors["W_dec"] / np.linalg.norm(found.tensors["W_dec"], axis=1)[:, None]
    cosines = rows @ rows.T - 2 * np.eye(len(rows))
    np.testing.assert_allclose(geometry.cosine[0], cosines.max(axis=1), atol=1e-5)


@BOTH
def test_figures_of_other_tools_are_of_what_is_written(
    transcoders: dict[str, Placed], name: str
) -> None:
    found = transcoders[name]
    variants = study(found, Variants)
    real = np.isin(np.arange(len(found.tokens)), np.arange(variants.n_contexts))
    assert real.all()
    for figures, chosen in (
        (variants.counted, found.counted),
        (variants.every, np.ones_like(found.counted)),
    ):
        y, y_hat = found.y[chosen], found.y_hat[chosen]
        explained = 1 - np.square(y - y_hat).sum() / np.square(y - y.mean(axis=0)).sum()
        assert figures["pooled"] == pytest.approx(explained, abs=1e-4)
        assert figures["norm_ratio"] == pytest.approx(
            (np.linalg.norm(y_hat, axis=1) / np.linalg.norm(y, axis=1)).mean(), rel=1e-4
        )
    spliced, zero = [], []
    for context, tokens in enumerate(found.tokens):
        for kept, value in ((spliced, found.y_hat[context]), (zero, 0 * found.y[context])):
            added = value - found.y[context]
            log_probs = found.by_hand.log_probs(tokens, found.writes, added)
            kept.append(-log_probs[np.arange(len(tokens) - 1), tokens[1:]])
    assert variants.ce_spliced == pytest.approx(np.mean(spliced), rel=1e-4)
    assert variants.ce_zero == pytest.approx(np.mean(zero), rel=1e-4)


@BOTH
def test_pruning_prunes_what_is_written(transcoders: dict[str, Placed], name: str) -> None:
    found = transcoders[name]
    pruning, quality = study(found, Pruning), found.stored.record.quality
    assert float(pruning.whole.mse[0]) == pytest.approx(quality.mse, rel=1e-4)
    assert float(pruning.whole.delta_ce[0]) == pytest.approx(quality.delta_ce, abs=1e-4)
    assert pruning.ce_mean_ablated == pytest.approx(quality.ce_mean_ablated, rel=1e-4)
    step = len(pruning.dense.n_removed) - 1
    density = (found.dense > 0).sum(axis=(0, 1)) / found.counted.sum()
    kept = density < pruning.dense.threshold[step]
    assert (~kept).sum() == pruning.dense.n_removed[step] > 0
    left = np.where(kept, found.acts, 0) @ found.tensors["W_dec"]
    y_hat = found.y_hat - found.acts @ found.tensors["W_dec"] + left
    residual = np.square(found.y - y_hat)[found.counted]
    assert pruning.dense.zeroed.mse[step] == pytest.approx(residual.mean(), rel=1e-4)
    change = []
    for context, tokens in enumerate(found.tokens):
        here = found.counted[context][:, None]
        added = np.where(here, y_hat[context] - found.y[context], 0)
        without = found.by_hand.log_probs(tokens, found.writes, added)
        clean = found.by_hand.log_probs(tokens)
        change.append(found.ce(without, context) - found.ce(clean, context))
    expected = np.concatenate(change).mean()
    assert pruning.dense.zeroed.delta_ce[step] == pytest.approx(expected, abs=3e-4)


def target_of(folders: dict[str, Path], name: str) -> Target:
    """A dictionary in its place."""
    reads, writes = TRANSCODERS.get(name) or (SITES[name][0], None)
    dictionary = load_dictionary(folders[name])
    return Target(name, dictionary, reads, folders[name], writes)


@pytest.fixture
def peaks() -> Batch:
    rng = np.random.default_rng(3)
    counted = np.ones((4, 12), bool)
    counted[:, 0] = counted[1, 4] = False
    return Batch(
        tokens=rng.integers(1, 280, (4, 12)),
        counted=counted,
        position=np.array([11, 11, 8, 3]),
        feature_index=np.array([2, 7, 2, 12]),
    )


@BOTH
def test_features_below_act_where_they_write(
    tiny_model: Callable[[str], LanguageModel],
    folders: dict[str, Path],
    by_hand: ByHand,
    peaks: Batch,
    name: str,
) -> None:
    """Given the gradient at the hook that is written, every part is a product by hand."""
    model, below, above = tiny_model("gpt2"), target_of(folders, name), target_of(folders, "post")
    tokens = torch.from_numpy(peaks.tokens)
    upper, own = above.dictionary, below.dictionary
    assert isinstance(upper, Dictionary) and isinstance(own, Dictionary)
    with frozen(model, [*below.hooks, ABOVE]) as held:
        assert held is not None
        found = Attributor(held, above, [below], 16).attribute(peaks)
        parts = found.below[name]
        removed = remove(held, above, below, peaks, found.hidden_pre, parts, seed=0)
        passed = held.run(tokens, [below.output_hook], ABOVE)
        at_peak = passed.above[torch.arange(4), torch.from_numpy(peaks.position)]
        columns = upper.W_enc.T[torch.from_numpy(peaks.feature_index)]
        h = (upper.encoder_input(at_peak) * columns).sum()
        gradient = passed.gradients(h)[below.output_hook].double().numpy()
    named = ("W_enc", "b_enc", "W_dec", "b_dec")
    weights = {key: getattr(own, key).double().numpy() for key in named}
    skip = own.W_skip
    for row, position in enumerate(peaks.position.tolist()):
        seen = by_hand.read(peaks.tokens[row])
        x, y, g = seen[below.hook_name], seen[below.output_hook], gradient[row]
        here = peaks.counted[row] & (np.arange(12) <= position)
        acts = np.maximum(x @ weights["W_enc"] + weights["b_enc"], 0) * here[:, None]
        totals = (acts * (g @ weights["W_dec"].T)).sum(axis=0)
        mine = parts.row == row
        np.testing.assert_allclose(
            parts.total[mine], totals[parts.feature_index[mine]], rtol=2e-3, atol=2e-4
        )
        linear = 0 * y if skip is None else x @ skip.double().numpy()
        bias = weights["b_dec"]
        y_hat = acts @ weights["W_dec"] + bias + linear
        expected = {
            "bias": (g @ bias)[here].sum(),
            "skip": (linear * g).sum(axis=1)[here].sum(),
            "error": ((y - y_hat) * g).sum(axis=1)[here].sum(),
            "uncounted": (y * g).sum(axis=1)[~here].sum(),
        }
        for part, value in expected.items():
            assert getattr(parts, part)[row] == pytest.approx(value, rel=2e-3, abs=1e-3), part
        assert (name == "skip") == (abs(parts.skip[row]) > 1e-4)
    # What a removal really does: the model by hand, with what the feature writes taken off.
    row_of = np.repeat(np.arange(4), np.bincount(parts.row, minlength=4).clip(max=4))
    assert len(row_of) == len(removed.real)
    for i, row in enumerate(row_of.tolist()):
        position, index = int(peaks.position[row]), int(removed.removed_index[i])
        x = by_hand.read(peaks.tokens[row])[below.hook_name]
        acts = np.maximum(x @ weights["W_enc"][:, index] + weights["b_enc"][index], 0)
        here = peaks.counted[row] & (np.arange(12) <= position)
        added = -np.where(here, acts, 0)[:, None] * weights["W_dec"][index]
        after = by_hand.read(peaks.tokens[row], below.output_hook, added)[ABOVE][position]
        downstream = int(peaks.feature_index[row])
        column = upper.W_enc[:, downstream].double().numpy()
        h_after = after @ column + float(upper.b_enc[downstream])
        real = h_after - removed.hidden_pre[i]
        assert removed.real[i] == pytest.approx(real, rel=5e-3, abs=2e-3)


def test_connections_run_from_where_one_writes_to_where_the_other_reads(
    transcoders: dict[str, Placed],
) -> None:
    ids = {name: found.stored.sae_id for name, found in transcoders.items()}
    above = transcoders["post"]
    assert sorted(others_of(above.connection, "connections", ids["post"])) == sorted(
        [ids["transcoder"], ids["skip"]]
    )
    for name in TRANSCODERS:  # neither lies below the other: both write above where the other reads
        assert others_of(above.connection, "connections", ids[name]) == [ids["post"]]
        pair = get_study(above.connection, PairConnections, ids["post"], ids[name])
        assert pair is not None and (pair.below, pair.above) == (name, "post")
        assert pair.features + sum(vars(pair.rest).values()) == pytest.approx(1, abs=1e-4)
        assert (pair.rest.skip != 0) == (name == "skip")


def test_checks_find_nothing_wrong(transcoders: dict[str, Placed]) -> None:
    settings = transcoders["skip"].settings
    asked = Asked(24, 0, Path(settings.model), [Path(sae) for sae in settings.sae])
    checks = {check.name: check for check in check_whole(settings.output, asked)}
    assert {name: check.problems for name, check in checks.items() if check.problems} == {}
    assert [name for name, check in checks.items() if check.skipped] == []


@pytest.mark.parametrize("how", ["add", "clamp"])
@BOTH
def test_steering_changes_what_is_written(
    transcoders: dict[str, Placed], name: str, how: Any
) -> None:
    found = transcoders[name]
    settings = found.settings
    held = load(Sources(settings.output, settings.model, tuple(map(Path, settings.sae)), "cpu"))
    sae, above = held.saes[f"tiny/{name}"], held.saes["tiny/post"]
    tokens = found.tokens[0]
    index, strength = 5, 4.0
    change = Change(sae=sae.sae.address, feature_index=index, how=how, strength=strength)
    silent = Change(sae=above.sae.address, feature_index=0, how="add", strength=0.0)
    changed = visitors([change, silent], [sae, above], [0], 2)
    logits = sae.model.language_model.logits(
        torch.from_numpy(tokens.astype(np.int64))[None], changed
    )
    amount = np.full(len(tokens), strength)
    if how == "clamp":
        amount -= found.acts[0, :, index]
    amount[:2] = 0
    added = amount[:, None] * found.tensors["W_dec"][index]
    expected = found.by_hand.log_probs(tokens, found.writes, added)
    np.testing.assert_allclose(
        logits[0].double().log_softmax(dim=-1).numpy(), expected, rtol=1e-3, atol=2e-3
    )
    assert np.abs(expected - found.by_hand.log_probs(tokens)).max() > 0.05


@BOTH
def test_pages_and_twins_name_both_hooks(transcoders: dict[str, Placed], name: str) -> None:
    found = transcoders[name]
    client = TestClient(
        create_app(Settings(atlas=found.settings.output)), base_url="http://127.0.0.1"
    )
    reads, writes = found.reads, found.writes
    said = f'reads <span class="mono">{reads}</span> → writes <span class="mono">{writes}</span>'
    for page in ("", "/5"):
        text = client.get(f"/tiny/{name}{page}").text
        assert said in text, page
    twin = client.get(f"/tiny/{name}.json").json()
    assert (twin["hook_name"], twin["hook_name_out"]) == (reads, writes)
    assert (twin["d_in"], twin["d_out"]) == (16, found.y.shape[-1])
    assert client.get(f"/tiny/{name}/5.json").json()["hook_name_out"] == writes
    assert client.get("/tiny/post.json").json()["hook_name_out"] is None
    sentence = "Its encoder and its decoder live in different spaces"
    parts = [
        "quality",
        "norms",
        "geometry",
        "pruning",
        "effects",
        "combined",
        "connections",
        "regions",
    ]
    for part in parts:
        answer = client.get(f"/tiny/{name}/{part}")
        assert answer.status_code == 200, part
        assert sentence in answer.text, part
        assert sentence not in client.get(f"/tiny/post/{part}").text
    assert f"{reads} → {writes}" in client.get("/").text
    assert "d_out" in client.get(f"/tiny/{name}/quality").text
    matches = client.get(f"/tiny/{name}/matches")
    assert matches.status_code == 404
    assert f"no other dictionary of {reads}" in matches.text
    assert f"{reads} → {writes}" in describe_atlas(found.settings.output)
