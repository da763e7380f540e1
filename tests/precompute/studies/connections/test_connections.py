"""Connections through the whole job, between dictionaries whose true connections are known.

The model's second block adds nothing, or a linear map of what it reads; the upper dictionary reads
chosen features of the lower one. So every contribution can be worked out from activations.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import save_file
from sqlalchemy import Connection
from transformers import AutoTokenizer
from transformers.models.auto.modeling_auto import AutoModelForCausalLM
from transformers.models.gpt_neox import GPTNeoXConfig

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.examples import get_groups
from app.db.studies import get_feature_study, get_study, others_of, studies_of
from app.db.study_records.connections import FeatureConnections, PairConnections
from app.precompute.model.frozen import FrozenModel
from app.precompute.model.heights import height
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.connections.chosen import choose_peaks

D, N_ABOVE = 16, 6


def directions() -> np.ndarray:
    """Sixteen orthonormal directions and their opposites: every activation is a sum of them."""
    found = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
    return np.concatenate([found, -found])


def reads() -> np.ndarray:
    """[below, above]: feature i above is 2 · feature i below − 1 · feature i + 6 below, if it could
    tell them apart from their opposites."""
    wanted = np.zeros((2 * D, N_ABOVE))
    for i in range(N_ABOVE):
        wanted[i, i], wanted[i + 6, i] = 2, -1
    return wanted


def write_dictionary(folder: Path, hook: str, W_enc: np.ndarray, W_dec: np.ndarray) -> Path:
    folder.mkdir()
    metadata = {"hook_name": hook, "prepend_bos": True, "context_size": 20}
    config = {
        "architecture": "standard", "d_in": D, "d_sae": W_enc.shape[1],
        "apply_b_dec_to_input": False, "normalize_activations": "none", "metadata": metadata,
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(config))
    tensors = {
        "W_enc": W_enc, "b_enc": np.zeros(W_enc.shape[1]), "W_dec": W_dec, "b_dec": np.zeros(D)
    }  # fmt: skip
    save_file(
        {name: np.ascontiguousarray(value, np.float32) for name, value in tensors.items()},
        folder / "sae_weights.safetensors",
    )
    return folder


def write_model(folder: Path, model_folder: Callable[[str], Path], linear_mlp: bool) -> Path:
    """GPT-NeoX whose second block is silent but, if asked, for an MLP without a bend."""
    torch.manual_seed(1)
    config = GPTNeoXConfig(
        hidden_size=D, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, vocab_size=300, initializer_range=0.25, hidden_act="linear",
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        block = model.get_submodule("gpt_neox.layers.1")
        silent = ["attention.dense"] if linear_mlp else ["attention.dense", "mlp.dense_4h_to_h"]
        for name in silent:
            for parameter in block.get_submodule(name).parameters():
                parameter.zero_()
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model_folder("neox")).save_pretrained(folder)
    return folder


@pytest.fixture(params=[False, True], ids=["nothing between", "a linear map between"])
def known(
    request: pytest.FixtureRequest, tmp_path: Path, model_folder: Callable[[str], Path]
) -> tuple[PrecomputeSettings, bool]:
    """Settings of a run over two dictionaries, and whether an MLP lies between them."""
    below = directions()
    text = tmp_path / "text.txt"
    words = [" def", " first", " return", " the", " of", " items", " xyz"]
    text.write_text("".join(np.random.default_rng(1).choice(words, 400)))
    lower, upper = "blocks.0.hook_resid_post", "blocks.1.hook_resid_post"
    settings = PrecomputeSettings(
        model=str(write_model(tmp_path / "model", model_folder, request.param)),
        sae=[
            str(write_dictionary(tmp_path / name, *parts))
            for name, parts in (
                ("upper", (upper, below.T @ reads(), (below.T @ reads()).T)),
                ("lower", (lower, below.T, below)),
            )
        ],
        name=["tiny/upper", "tiny/lower"],
        corpus=str(text),
        output=tmp_path / "atlas.db",
        verify=False,
        batch_contexts=3,
        ablation_examples=0,
        ablation_interval_examples=0,
        connection_examples=6,
        connection_kept=3,
        connection_checks=12,
    )
    return settings, request.param


def test_known_connections_are_found(known: tuple[PrecomputeSettings, bool]) -> None:
    settings, has_mlp = known
    said = io.StringIO()
    run(settings, reporter=Reporter(Console(file=said, width=300)))
    assert "Study connections: 2,160 tokens of forward pass; back through" in said.getvalue()
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        ids = ids_of(connection)
        pair = get_study(connection, PairConnections, ids["upper"], ids["lower"])
        heights = [height("blocks.0.hook_resid_post"), height("blocks.1.hook_resid_post")]
        assert pair is not None
        assert (pair.below, pair.above, pair.heights) == ("lower", "upper", heights)
        assert get_study(connection, PairConnections, ids["lower"], ids["upper"]) is not None
        assert_sums(pair)
        if not has_mlp:
            assert_the_map(connection, ids)
            removals = pair.removals
            np.testing.assert_allclose(removals.real, removals.predicted, rtol=1e-3, atol=1e-4)
            assert pair.n_checked == 12
        assert np.corrcoef(pair.removals.predicted, pair.removals.real)[0, 1] > 0.9
        assert_both_ways(connection, ids)
        for feature in range(N_ABOVE):
            assert_by_hand(settings, connection, ids, feature)
    atlas.close()


def ids_of(connection: Connection) -> dict[str, int]:
    found = {name: find_sae(connection, "tiny", name) for name in ("upper", "lower")}
    return {name: sae.sae_id for name, sae in found.items() if sae is not None}


def assert_sums(pair: PairConnections) -> None:
    rest = pair.rest
    total = pair.features + rest.bias + rest.error + rest.uncounted + rest.remainder
    assert total == pytest.approx(1)
    # Nothing is lost: the directions below span everything, and no bias is anywhere in the block.
    assert [rest.bias, rest.error, rest.uncounted] == pytest.approx([0, 0, 0], abs=1e-3)
    assert rest.remainder == pytest.approx(0, abs=1e-3)


def assert_the_map(connection: Connection, ids: dict[str, int]) -> None:
    """Every cause is one of the four features that feature can read (two, and their opposites)."""
    for feature in range(N_ABOVE):
        found = get_feature_study(connection, FeatureConnections, ids["upper"], feature)
        assert found is not None
        (causes,) = found.below
        wanted = {feature, feature + 6, feature + D, feature + 6 + D}
        strong = np.abs(causes.share) > 1e-3
        assert set(causes.feature_index[strong].tolist()) <= wanted
        assert causes.share.sum() == pytest.approx(1, abs=1e-3)
        assert causes.share_same.sum() == pytest.approx(1, abs=1e-3)
        assert causes.feature_index[0] in (feature, feature + 6 + D)


def assert_both_ways(connection: Connection, ids: dict[str, int]) -> None:
    """What is stored of a feature below is what is stored of those above, turned around."""
    down, up = dict[tuple[int, int], float](), dict[tuple[int, int], float]()
    for feature in range(N_ABOVE):
        found = get_feature_study(connection, FeatureConnections, ids["upper"], feature)
        assert found is not None
        assert not found.above
        (causes,) = found.below
        for index, share in zip(causes.feature_index, causes.share, strict=True):
            down[feature, int(index)] = float(share)
    for index in range(2 * D):
        found = get_feature_study(connection, FeatureConnections, ids["lower"], index)
        if found is None:
            continue
        assert (found.n_examples, found.below) == (0, [])
        (effects,) = found.above
        assert effects.n_found == len(effects.feature_index)
        assert list(np.abs(effects.share)) == sorted(np.abs(effects.share), reverse=True)
        for feature, share in zip(effects.feature_index, effects.share, strict=True):
            up[int(feature), index] = float(share)
    assert down == up


def assert_by_hand(
    settings: PrecomputeSettings, connection: Connection, ids: dict[str, int], feature: int
) -> None:
    """All contributions to one feature from the plain model and the linear map it computes."""
    tokens, counted = (
        np.load(next(settings.output.parent.glob("atlas.events/tiny/corpus-*")) / f"{name}.npy")
        for name in ("tokens", "counted")
    )
    groups = get_groups(connection, ids["upper"], feature)
    peaks = choose_peaks({name: group for name, (group, _) in groups.items()}, feature, 6)
    found = get_feature_study(connection, FeatureConnections, ids["upper"], feature)
    assert found is not None
    assert found.n_examples == len(peaks) > 3
    plain: Any = AutoModelForCausalLM.from_pretrained(settings.model).eval()
    layer, total, summed = plain.gpt_neox.layers[1], np.zeros(2 * D), 0.0
    for peak in peaks:
        text = torch.from_numpy(tokens[peak.context_id].astype(np.int64))
        with torch.no_grad():
            states = plain(input_ids=text[None], output_hidden_states=True).hidden_states
            x = states[1][0, peak.position].double().numpy()
            jacobian = np.eye(D) + mlp_matrix(layer) @ held_norm(layer, x)
        assert counted[peak.context_id, peak.position]
        gradient = jacobian.T @ directions().T @ reads()[:, feature]
        total += np.maximum(directions() @ x, 0) * (directions() @ gradient)
        summed += (jacobian @ x) @ directions().T @ reads()[:, feature]
    assert found.hidden_pre == pytest.approx(summed / len(peaks), rel=1e-3)
    (causes,) = found.below
    order = np.argsort(-total)
    expected = {int(i) for i in order[:3] if total[i] > 0}
    expected |= {int(i) for i in order[-3:] if total[i] < 0}
    by_share = dict(zip(causes.feature_index.tolist(), causes.share.tolist(), strict=True))
    for index in expected:
        if abs(total[index]) > 1e-3:
            assert by_share[index] == pytest.approx(total[index] / summed, rel=1e-2, abs=1e-3)
    rest = np.delete(total, causes.feature_index)
    assert causes.positive == pytest.approx(rest[rest > 0].sum() / summed, abs=2e-3)
    assert causes.negative == pytest.approx(rest[rest < 0].sum() / summed, abs=2e-3)


def mlp_matrix(layer: Any) -> np.ndarray:
    """[out, in] of an MLP without a bend."""
    first, second = layer.mlp.dense_h_to_4h, layer.mlp.dense_4h_to_h
    return (second.weight @ first.weight).double().numpy()


def held_norm(layer: Any, x: np.ndarray) -> np.ndarray:
    """[out, in] of the norm before it, its scale that of x."""
    gain = layer.post_attention_layernorm.weight.double().numpy()
    centre = np.eye(D) - 1 / D
    return np.diag(gain) @ centre / np.sqrt(x.var() + layer.post_attention_layernorm.eps)


def test_one_hook_stores_nothing_and_says_nothing(
    small: Callable[..., PrecomputeSettings],
) -> None:
    said = io.StringIO()
    settings = small()
    run(settings, reporter=Reporter(Console(file=said, width=200)))
    assert "connections" not in said.getvalue()
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        assert "connections" not in studies_of(connection, sae.sae_id)
        assert not others_of(connection, "connections", sae.sae_id)
    atlas.close()


def test_the_price_is_kept(
    known: tuple[PrecomputeSettings, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many tokens go through the model as were said, at most; backward no more than measured."""
    forward, backward = [0], [0]
    run_held, run_changed = FrozenModel.run, FrozenModel.changed

    def held(model: FrozenModel, tokens: torch.Tensor, *rest: Any) -> Any:
        forward[0] += tokens.numel()
        backward[0] += tokens.numel()
        return run_held(model, tokens, *rest)

    def changed(model: FrozenModel, tokens: torch.Tensor, *rest: Any) -> Any:
        forward[0] += tokens.numel()
        return run_changed(model, tokens, *rest)

    monkeypatch.setattr(FrozenModel, "run", held)
    monkeypatch.setattr(FrozenModel, "changed", changed)
    run(known[0], reporter=Reporter(Console(file=io.StringIO())))
    asked = 3 * 2  # two tokens each time it is asked what reaches what
    assert 500 < forward[0] <= 2_160 + asked
    assert backward[0] <= 720 + 12 * 20 + asked
