"""Caches of firings through the job: statistics against brute force, and, for the firings of an
ordinary job, its own numbers."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from app.cli import main
from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.examples import get_groups
from app.db.features import get_feature, get_panels
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings
from app.settings import Settings
from app.web.factory import create_app


def write_cache(folder: Path, acts: np.ndarray, tokens: np.ndarray, n_splits: int = 2) -> Path:
    """As delphi does: features cut evenly, values that are not 0 in the order of their places."""
    folder.mkdir(parents=True)
    cuts = np.linspace(0, acts.shape[2], n_splits + 1).astype(int)
    for first, stop in pairwise(cuts):
        part = acts[..., first:stop]
        places = np.argwhere(part)
        held = {
            "locations": np.ascontiguousarray(places, np.uint16),
            "activations": part[tuple(places.T)],
            "tokens": tokens.astype(np.int64),
        }
        save_file(held, folder / f"{first}_{stop - 1}.safetensors")
    config = {"model_name": "owner/Some-Model", "dataset_repo": "some/text"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def command(monkeypatch: pytest.MonkeyPatch, *words: Any) -> int:
    """The exit code of a command line."""
    monkeypatch.setattr("sys.argv", ["feature-atlas", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code or 0  # type: ignore[return-value]


def test_statistics_are_those_of_the_dense_activations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    n, size, d_sae = 30, 12, 11
    tokens = random.integers(0, 40, (n, size))
    two = [
        np.where(random.random((n, size, d_sae)) < 0.1, random.normal(1, 1, (n, size, d_sae)), 0)
        .astype(np.float16)
        for _ in range(2)
    ]  # fmt: skip
    two[0][..., 4] = 0
    for name, acts in zip(("layers.1", "layers.2.mlp"), two, strict=True):
        write_cache(tmp_path / "cache" / name, acts, tokens)
    atlas_path = tmp_path / "atlas.db"
    assert command(monkeypatch, "import", "delphi", tmp_path / "cache", atlas_path) == 0
    atlas = open_atlas(atlas_path)
    with atlas.connect() as connection:
        for name, acts in zip(("layers-1", "layers-2-mlp"), two, strict=True):
            sae = find_sae(connection, "some-model", name)
            assert sae is not None
            n_tokens = n * (size - 1)
            assert sae.corpus.n_tokens == n_tokens
            fires = acts.astype(np.float32).clip(min=0)
            assert sae.record.quality.l0 == pytest.approx((fires[:, 1:] > 0).sum() / n_tokens)
            assert sae.record.quality.explained_variance is None
            for index in range(d_sae):
                own = fires[..., index].copy()
                zero, own[:, 0] = own[:, 0].copy(), 0
                active = own[own > 0].astype(np.float64)
                record = get_feature(connection, sae.sae_id, index)
                panels = get_panels(connection, sae.sae_id, index)
                assert record is not None and panels is not None
                assert record.n_active == active.size
                assert record.density == active.size / n_tokens
                assert record.position_zero_n_active == (zero > 0).sum()
                assert record.position_zero_max == zero.max()
                assert record.decoder_norm is None
                if not active.size:
                    assert index == 4
                    continue
                assert record.max_activation == active.max()
                assert record.mean_activation == pytest.approx(active.mean())
                assert record.std_activation == pytest.approx(active.std())
                assert record.n_contexts_active == (own > 0).any(axis=1).sum()
                edges = active.max() * np.arange(1, 51) / 50
                bins = np.searchsorted(edges, active, side="left").clip(max=49)
                assert panels.histogram is not None
                assert (panels.histogram.counts == np.bincount(bins, minlength=50)).all()
                top, _ = get_groups(connection, sae.sae_id, index)["top"]
                assert top.activation[0] == pytest.approx(active.max(), rel=1e-4)
                assert own[int(top.context_id[0]), int(top.position[0])] == active.max()
    atlas.close()
    client = TestClient(create_app(Settings(atlas=atlas_path)), base_url="http://127.0.0.1")
    for address in ("", "/2", "/4", "/2?group=silent", "/2?group=near", "/2.json"):
        assert client.get(f"/some-model/layers-1{address}").status_code == 200
    page = client.get("/some-model/layers-1/2").text
    assert "There is no ablated text: the model was not at hand." in page
    assert "‖W_dec‖" not in page
    told = client.get("/some-model/layers-1").text
    assert "no tokenizer was given" in told and "half precision" in told


@pytest.fixture
def ordinary(
    tmp_path: Path, small: Callable[..., PrecomputeSettings], quiet: Reporter
) -> PrecomputeSettings:
    """A job that has run over ids, and beside it `cache`, its firings as delphi keeps them (but in
    single precision)."""
    ids = np.random.default_rng(0).integers(0, 60, (30, 16))
    np.save(tmp_path / "ids.npy", ids)
    settings = small(corpus=str(tmp_path / "ids.npy"), context_size=16, ablation_examples=2)
    run(settings, reporter=quiet)
    events = tmp_path / "atlas.events" / "tiny" / "resid"
    manifest = json.loads((events / "events.json").read_text())
    dense = np.zeros((30 * 16, manifest["d_sae"]), np.float32)
    for index, first in enumerate(range(0, 30, manifest["contexts_per_shard"])):
        indptr, token, activation = (
            np.load(events / f"shard-{index:05d}" / f"{name}.npy")
            for name in ("indptr", "token", "activation")
        )
        feature = np.repeat(np.arange(manifest["d_sae"]), np.diff(indptr))
        dense[first * 16 + token.astype(int), feature] = activation
    acts = dense.reshape(30, 16, -1)
    acts[:, 0, 3] = 0.5
    write_cache(tmp_path / "cache" / "layers.0", acts, ids, n_splits=3)
    return settings


def own_numbers(content: dict[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    tables = ("feature/", "feature_panel/", "feature_example/", "corpus_token/", "context/")
    lacking = ("/position_zero_n_active", "/position_zero_max", *without)
    return {
        key: value
        for key, value in content.items()
        if key.startswith(tables) and not key.endswith(lacking)
    }


def test_the_firings_of_an_ordinary_job_give_its_numbers(
    ordinary: PrecomputeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    read_content: Callable[[Path], dict[str, Any]], differences: Callable[..., list[str]],
) -> None:  # fmt: skip
    assert command(
        monkeypatch, "import", "delphi", tmp_path / "cache", tmp_path / "given.db",
        "--tokenizer", ordinary.model, "--name", "tiny/resid",
    ) == 0  # fmt: skip
    of_model = (
        *("/decoder_norm", "/threshold", "/encoder_decoder_cosine", "/max_logit", "/summary"),
        *("/short", "/ablations", "/context_share", "/ablation_token_id", "/ablation_strip"),
        *("/ablation_token_effect", "/delta_ce", "/kl", "/pair_interaction", "/near_share"),
        *("/nearest_cosine", "/times_nearest", "/neuron_share", "/encoder_norm"),
    )
    contents = [
        own_numbers(read_content(path), of_model)
        for path in (tmp_path / "given.db", ordinary.output)
    ]
    for content in contents:
        for key, value in content.items():
            if key.endswith("/panels"):
                del value["logit_lens"], value["neighbors"]
                for name in ("n_sample_spans", "n_span_silent", "n_span_near"):
                    if value["locality"]:
                        del value["locality"][name]
            elif key.endswith("/examples"):
                value.pop("near", None)
                for group in value.values():
                    group.pop("hidden_pre")
    found, expected = contents
    assert len(expected) > 500
    assert differences(found, expected, 0.0) == []
    atlas = open_atlas(tmp_path / "given.db")
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        record = get_feature(connection, sae.sae_id, 3)
        assert record is not None and record.position_zero_n_active == 30
    atlas.close()


def test_with_model_and_dictionary_there_are_logit_lens_and_ablated_text(
    ordinary: PrecomputeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    read_content: Callable[[Path], dict[str, Any]], differences: Callable[..., list[str]],
) -> None:  # fmt: skip
    options = {
        name: getattr(ordinary, name)
        for name in ("ablation_examples", "ablation_interval_examples", "ablation_window")
    } | {"replacements": 1, "context_draws": 1}
    (tmp_path / "run.toml").write_text("".join(f"{k} = {v}\n" for k, v in options.items()))
    assert command(
        monkeypatch, "import", "delphi", tmp_path / "cache", tmp_path / "given.db",
        "--model", ordinary.model, "--sae", ordinary.sae[0], "--name", "tiny/resid",
        "--config", tmp_path / "run.toml",
    ) == 0  # fmt: skip
    of_an_own_run = ("/delta_ce", "/kl", "/near_share", "/examples")
    contents = [
        own_numbers(read_content(path), of_an_own_run)
        for path in (tmp_path / "given.db", ordinary.output)
    ]
    for content in contents:
        for key, value in content.items():
            if key.endswith("/panels") and value["locality"]:
                for name in ("n_sample_spans", "n_span_silent", "n_span_near"):
                    del value["locality"][name]
    found, expected = contents
    assert any(key.endswith("/ablations") for key in found)
    assert differences(found, expected, 1e-3) == []


def test_what_does_not_go_together_is_said(
    ordinary: PrecomputeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cache, atlas = tmp_path / "cache", tmp_path / "given.db"
    other = np.random.default_rng(5).integers(0, 60, (30, 16))
    acts = np.ones((30, 16, 4), np.float16)
    for words, said in (
        (["--model", ordinary.model], "--model and --sae go together"),
        (["--module", "layer.0"], "has no module 'layer.0'"),
        (["--name", "tiny/a", "--name", "tiny/b"], "There are 1 modules and 2 --name"),
    ):
        assert command(monkeypatch, "import", "delphi", cache, atlas, *words) == 2
        assert said in capsys.readouterr().err
    write_cache(cache / "layers.9", acts, other)
    assert command(monkeypatch, "import", "delphi", cache, atlas) == 2
    assert "was cached over other tokens than" in capsys.readouterr().err
    words = ["--module", "layers.9", "--model", ordinary.model, "--sae", ordinary.sae[0]]
    assert command(monkeypatch, "import", "delphi", cache, atlas, *words) == 2
    assert "has 24 features, but layers-9 was cached with 4" in capsys.readouterr().err
    assert not atlas.exists()


def test_a_wrong_firing_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acts = np.ones((30, 16, 4), np.float16)
    acts[29, 15, 3] = np.inf
    write_cache(tmp_path / "cache" / "layers.0", acts, np.ones((30, 16), int))
    atlas = tmp_path / "given.db"
    assert command(monkeypatch, "import", "delphi", tmp_path / "cache", atlas) == 2
    assert "2_3.safetensors, firing 959: the activation is inf" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_an_atlas_of_given_firings_holds_what_it_should(
    ordinary: PrecomputeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    atlas = tmp_path / "given.db"
    assert command(monkeypatch, "import", "delphi", tmp_path / "cache", atlas) == 0
    assert command(monkeypatch, "check", atlas) == 0, capsys.readouterr().out
