"""The files of OpenAI's viewer: statistics against brute force over the activations themselves."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.exchange.foreign import ForeignBand, ForeignFeature, ForeignSource
from app.exchange.importing.openai_viewer import open_openai_viewer


def sequence(tokens: list[str], acts: list[float], idx: int, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": 12,
        "idx": idx,
        "acts": acts,
        "act": acts[idx],
        "tokens": tokens,
        "token_ints": [ord(token) for token in tokens],
        **more,
    }


def statistics(activations: np.ndarray) -> dict[str, Any]:
    """As the viewer defines them: over all tokens, around 0."""
    squared = (activations**2).mean()
    return {
        "density": (activations > 0).mean(),
        "mean_act": activations.mean(),
        "mean_act_squared": squared,
        "skew": (activations**3).mean() / squared**1.5,
        "kurtosis": (activations**4).mean() / squared**2,
        "hist": dict(Counter(math.ceil(a / 0.2) for a in activations if a > 0)),
    }


def feature(**more: Any) -> dict[str, Any]:
    return {
        "density": 0.25,
        "mean_act": 0.5,
        "mean_act_squared": 1.0,
        "hist": {"1": 3, "3": 1},
        "random": [sequence(["x", "y"], [0.25, 0.0], 0)],
        "top": [sequence(["a", "b"], [0.0, 0.5], 1)],
        **more,
    }


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def read(path: Path) -> tuple[ForeignSource, dict[int, ForeignFeature]]:
    (source,) = open_openai_viewer(path)
    return source, {one.feature_index: one for one in source.features()}


@pytest.fixture
def atoms(tmp_path: Path) -> Path:
    return tmp_path / "viewer" / "gpt2-small" / "v5_32k" / "layer_8" / "resid_post_mlp" / "atoms"


def test_statistics_become_those_over_active_tokens(atoms: Path) -> None:
    draw = np.random.default_rng(3)
    activations = np.where(draw.random(5000) < 0.02, draw.gamma(2.0, 1.5, 5000), 0.0)
    largest = float(activations.max())
    top = [sequence(["a", "b"], [0.0, largest], 1)]
    write(atoms / "7.json", feature(**statistics(activations), top=top))
    _, features = read(atoms)
    found, active = features[7], activations[activations > 0]
    standard = (active - active.mean()) / active.std()
    assert found.density == pytest.approx(len(active) / 5000)
    assert found.max_activation == largest
    assert found.mean_activation == pytest.approx(active.mean())
    assert found.std_activation == pytest.approx(active.std())
    assert found.skewness == pytest.approx((standard**3).mean())
    assert found.kurtosis == pytest.approx((standard**4).mean())

    assert found.histogram is not None
    edges, counts = found.histogram.edges, found.histogram.counts
    assert edges[0] == 0 and np.allclose(np.diff(edges), 0.2)
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        assert count == ((active > low + 1e-12) & (active <= high + 1e-12)).sum()
    assert counts.sum() == len(active)


def test_texts(atoms: Path) -> None:
    top = [
        sequence(["a", "b"], [0.0, 1.0], 1),
        sequence(["c", "d", "e"], [3.0, 2.0, 0.0], 0, doc_id=99),
        sequence(["a", "b"], [0.0, 1.0], 1),
    ]
    drawn = [sequence(["f", "g"], [0.0, 0.5], 1), sequence(["h"], [0.0], 0)]
    write(atoms / "3.json", feature(top=top, random=drawn))
    _, features = read(atoms)
    first, second, again, third, silent = features[3].examples
    assert (first.group, list(first.tokens), first.position) == ("top", ["c", "d", "e"], 0)
    assert (first.token_ids, first.document) == ([99, 100, 101], "99")
    assert (second.document, second.band) == ("12", None)
    assert again.tokens == second.tokens
    assert (third.group, third.band) == ("quantile", ForeignBand(0, 3, 1))
    assert silent.activations.tolist() == [0.0]
    assert all(one.first_position is None for one in features[3].examples)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "gpt2-small/v5_32k/layer_8/resid_post_mlp",
            ("gpt2-small", "v5_32k-layer_8-resid_post_mlp", "blocks.8.hook_resid_post", 32_768),
        ),
        (
            "gpt2-small/v5_128k/layer_11/resid_post_attn",
            ("gpt2-small", "v5_128k-layer_11-resid_post_attn", "blocks.11.hook_resid_mid", 131_072),
        ),
        (
            "gpt2-small/v5_l8_postmlp/n2048/k16",
            ("gpt2-small", "v5_l8_postmlp-n2048-k16", "blocks.8.hook_resid_post", 2048),
        ),
        (
            "gpt4/v5_latelayer_postmlp/n16777216/k256",
            ("gpt4", "v5_latelayer_postmlp-n16777216-k256", None, 16_777_216),
        ),
        ("somewhere/mine", ("somewhere", "mine", None, None)),
    ],
)
def test_the_address_in_the_viewer_names_the_dictionary(
    tmp_path: Path, address: str, expected: tuple[Any, ...]
) -> None:
    write(tmp_path / address / "atoms" / "0.json", feature())
    for path in (tmp_path, tmp_path / address, tmp_path / address / "atoms" / "0.json"):
        about = read(path)[0].dictionary
        assert (about.model, about.sae, about.hook_name, about.d_sae) == expected


def test_several_folders_are_several_dictionaries(tmp_path: Path) -> None:
    for layer in (8, 10):
        write(tmp_path / f"gpt2-small/v5_32k/layer_{layer}/resid_post_mlp/atoms/0.json", feature())
    write(tmp_path / "other" / "1.json", {"something": "else"})
    assert len(open_openai_viewer(tmp_path)) == 2


def test_the_ablated_file_is_read_where_it_is_alone(atoms: Path) -> None:
    write(atoms / "10.json", feature(density=0.25))
    write(atoms / "10-ablated.json", feature(density=0.5))
    write(atoms / "9-ablated.json", feature(density=0.125))
    _, features = read(atoms)
    assert [(index, one.density) for index, one in features.items()] == [(9, 0.125), (10, 0.25)]


def test_what_a_file_lacks_is_absent(atoms: Path) -> None:
    write(atoms / "0.json", {"top": [], "random": []})
    write(atoms / "1.json", feature(mean_act_squared=None))
    write(atoms / "2.json", feature(skew=1.0, mean_act=None))
    dead = {"density": 0, "mean_act": 0, "skew": float("nan"), "kurtosis": float("nan")}
    write(atoms / "3.json", {**dead, "hist": {}, "top": [], "random": []})
    write(atoms / "4.json", feature(density=0.5, mean_act=0.5, mean_act_squared=0.5, skew=1.4))
    _, features = read(atoms)
    assert features[0] == ForeignFeature(0)
    assert (features[1].mean_activation, features[1].std_activation) == (2, None)
    assert (features[2].mean_activation, features[2].skewness) == (None, None)
    assert features[3] == ForeignFeature(3, density=0, max_activation=0)
    assert (features[4].mean_activation, features[4].std_activation) == (1, None), "all are 1"


def test_bars_named_by_their_lower_bound(atoms: Path) -> None:
    """As the viewer draws them: told by the largest activation, which lies above the last bar."""
    top = [sequence(["a"], [0.55], 0)]
    write(atoms / "0.json", feature(hist={"0": 9, "2": 1}, top=top))
    write(atoms / "1.json", feature(hist={"0": 900, "1": 2, "3": 1}, top=top))
    _, features = read(atoms)
    lower, upper = features[0].histogram, features[1].histogram
    assert lower is not None and upper is not None
    assert lower.edges.tolist() == pytest.approx([0, 0.2, 0.4, 0.6])
    assert lower.counts.tolist() == [9, 0, 1]
    assert upper.edges.tolist() == pytest.approx([0, 0.2, 0.4, 0.6])
    assert upper.counts.tolist() == [2, 0, 1], "without the zeros"


Change = Callable[[dict[str, Any]], None]


def sets(**columns: Any) -> Change:
    return lambda one: one.update(columns)


def of_top(**columns: Any) -> Change:
    return lambda one: one["top"][0].update(columns)


@pytest.mark.parametrize("size", [1e-300, 1e-150, 3e38])
def test_moments_out_of_range_are_no_traceback(atoms: Path, size: float) -> None:
    extreme = {"mean_act": size, "mean_act_squared": size, "skew": 3e38, "kurtosis": 3e38}
    for number, density in enumerate((1e-300, 1e-30, 1.0)):
        write(atoms / f"{number}.json", feature(density=density, **extreme))
    _, features = read(atoms)
    assert len(features) == 3
    assert features[2].mean_activation == size


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sets(density=1.5), "has density = 1.5, expected 0 to 1"),
        (sets(density="high"), 'has density = "high", expected a number'),
        (sets(mean_act_squared=-1), "has mean_act_squared = -1, expected a number from 0 on"),
        (sets(skew=float("inf")), "has skew = Infinity"),
        (sets(kurtosis=float("nan")), "has kurtosis = NaN"),
        (sets(hist=[1, 2]), "has hist = [1, 2], expected an object"),
        (sets(hist={"a": 1}), ", hist, has a = 1, expected a bar's number"),
        (sets(hist={"9" * 5000: 1}), ", hist, has 9999"),
        (sets(hist={"999999999": 1}), "expected a bar's number, up to 100,000"),
        (sets(hist={"1": None}), ", hist, has no 1"),
        (sets(hist={"1": -4}), ", hist, has 1 = -4, expected a number from 0 on"),
        (sets(top={}), "has top = {}, expected a list of objects"),
        (of_top(acts=[1.0]), ", top[0], has 2 tokens and 1 acts"),
        (of_top(token_ints=[1]), ", top[0], has 2 tokens and 1 token_ints"),
        (of_top(token_ints=[1, 0.5]), ", top[0], has token_ints[1] = 0.5, expected a whole number"),
        (of_top(idx=2), ", top[0], has idx = 2, expected one of the text's 2 tokens"),
        (of_top(acts=[0, float("nan")]), ", top[0], has acts[1] = NaN, expected a finite number"),
    ],
)
def test_a_feature_that_is_refused_is_named(atoms: Path, change: Change, says: str) -> None:
    one = feature(skew=2.0, kurtosis=5.0)
    change(one)
    write(atoms / "0.json", feature())
    path = write(atoms / "4.json", one)
    with pytest.raises(AtlasError) as raised:
        read(atoms)
    assert str(path) in str(raised.value)
    assert says in str(raised.value)
    assert len(str(raised.value)) < len(str(path)) + 200


def test_a_folder_without_files_says_what_was_expected(tmp_path: Path) -> None:
    write(tmp_path / "7.json", {"examples_quantiles": [], "top": []})
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AtlasError, match=r"no files of OpenAI's viewer, expected \{subject\}"):
            open_openai_viewer(path)


def test_any_damage_is_one_sentence(atoms: Path) -> None:
    draw = random.Random(4)
    whole = json.dumps(feature(skew=2.0, kurtosis=5.0)).encode()
    write(atoms / "0.json", feature())
    n_refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 2, 20])):
            content[draw.randrange(len(content))] = draw.choice(b'0"[]{},:-e9n\xff\x00 .')
        (atoms / "7.json").write_bytes(content)
        try:
            read(atoms)
        except AtlasError as error:
            n_refused += 1
            assert "7.json" in str(error)
    assert n_refused > 50


def test_the_innermost_family_is_the_viewers(tmp_path: Path) -> None:
    folder = tmp_path / "v2" / "mine" / "gpt2-small" / "v5_32k" / "layer_8" / "resid_post_mlp"
    source, _ = read(write(folder / "atoms" / "0.json", feature()).parent)
    found = source.dictionary
    assert (found.model, found.sae) == ("gpt2-small", "v5_32k-layer_8-resid_post_mlp")
