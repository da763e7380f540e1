"""SAEDashboard batches as its own classes write them, made here from the format's definition.

Keys and their order are those of `NeuronpediaDashboardFeature.to_dict`; numbers are rounded as the
converter rounds them, bars are centres, the first token of every prompt is left out.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

WORDS = [" the", " cat", " sat", "def", "\n", "  ", " self", "(", ")", "Ã©", " —", ".", " raise"]


def prompts_of(n: int, size: int, seed: int = 0) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [[WORDS[i] for i in rng.integers(0, len(WORDS), size)] for _ in range(n)]


def feature_of(
    index: int,
    prompts: list[list[str]],
    rng: np.random.Generator,
    n_top: int = 20,
    n_quantiles: int = 5,
    per_quantile: int = 5,
    dead: bool = False,
    rate: float = 0.03,
) -> dict[str, Any]:
    """One feature, its activations drawn here."""
    n, size = len(prompts), len(prompts[0])
    acts = np.where(rng.random((n, size)) < rate, rng.gamma(2.0, 1.5, (n, size)), 0.0)
    acts[:, 0] = 0
    if dead:
        acts[:] = 0
    flat = np.argsort(-acts.ravel(), kind="stable")[:n_top]
    largest = float(acts.max())
    groups = [(-1.0, round(largest, 3), -1.0, flat)]
    borders = np.linspace(0, largest, n_quantiles + 1)
    for i in range(n_quantiles - 1, -1, -1):
        low, high = borders[i], borders[i + 1]
        inside = np.flatnonzero((acts.ravel() >= low) & (acts.ravel() <= high))
        inside = inside[inside % size > 0]
        chosen = rng.permutation(inside)[:per_quantile]
        share = round(float(((acts >= low) & (acts <= high)).mean()), 5)
        groups.append((round(float(low), 3), round(float(high), 3), share, chosen))
    active = acts[acts > 0]
    logits = np.sort(rng.standard_normal(400).astype(np.float32))
    top, bottom = logits[::-1][:10], logits[:10]
    return {
        "feature_index": index,
        "neuron_alignment_indices": [3, 1, 2],
        "neuron_alignment_values": [0.3, 0.2, 0.1],
        "neuron_alignment_l1": [0.03, 0.02, 0.01],
        "correlated_neurons_indices": [5, 6, 7],
        "correlated_neurons_l1": [0.1, 0.1, 0.1],
        "correlated_neurons_pearson": [0.1, 0.1, 0.1],
        "correlated_features_indices": [1],
        "correlated_features_l1": [0.5],
        "correlated_features_pearson": [0.5],
        "neg_str": [WORDS[i % len(WORDS)] for i in range(10)],
        "neg_values": np.round(bottom.astype(float), 3).tolist(),
        "pos_str": [WORDS[(3 * i + index) % len(WORDS)] for i in range(10)],
        "pos_values": np.round(top.astype(float), 3).tolist(),
        "frac_nonzero": round(float((acts > 0).mean()), 5),
        **_bars("freq_hist_data", active),
        **_bars("logits_hist_data", logits.astype(float)),
        "n_prompts_total": n,
        "n_tokens_in_prompt": size,
        "dataset": "monology/pile-uncopyrighted",
        "decoder_weights_dist": [],
        "activations": [
            {
                "bin_min": low,
                "bin_max": high,
                "bin_contains": share,
                "tokens": prompts[place // size][1:],
                "values": np.round(acts[place // size, 1:], 3).tolist(),
                "qualifying_token_index": int(place % size) - 1,
            }
            for low, high, share, places in groups
            for place in places.tolist()
        ],
        "vector": [],
    }


def _bars(name: str, values: np.ndarray, n: int = 50) -> dict[str, list[float]]:
    if not values.size:
        return {f"{name}_bar_values": [], f"{name}_bar_heights": []}
    counts, edges = np.histogram(values, n)
    centres = np.round((edges[1:] + edges[:-1]) / 2, 3)
    # Rounding may give two bars one centre; SAEDashboard's bins are wide enough for its layers.
    centres = np.maximum.accumulate(centres + np.arange(n) * 1e-6)
    return {
        f"{name}_bar_values": centres.tolist(),
        f"{name}_bar_heights": counts.astype(float).tolist(),
    }


def write_batches(
    folder: Path,
    indices: list[int],
    per_batch: int = 3,
    n_prompts: int = 40,
    size: int = 32,
    dead: tuple[int, ...] = (),
    seed: int = 0,
) -> Path:
    """A folder as `NeuronpediaRunner.run` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts, rng = prompts_of(n_prompts, size, seed), np.random.default_rng(seed + 1)
    features = [feature_of(i, prompts, rng, dead=i in dead) for i in indices]
    for number, start in enumerate(range(0, len(features), per_batch)):
        batch = {
            "model_id": "gpt2-small",
            "layer": 8,
            "sae_set": "res-jb",
            "sae_id_suffix": None,
            "features": features[start : start + per_batch],
        }
        (folder / f"batch-{number}.json").write_text(json.dumps(batch))
    skipped = {"model_id": "gpt2-small", "layer": "8", "sae_set": "res-jb", "log_sparsity": -6}
    (folder / "skipped_indexes.json").write_text(json.dumps(skipped | {"skipped_indexes": [4]}))
    settings = {"sae_set": "res-jb", "n_prompts_total": n_prompts, "n_tokens_in_prompt": size}
    (folder / "run_settings.json").write_text(json.dumps(settings, indent=4))
    return folder
