"""A Neuronpedia export as its database writes one, from the tables' own columns.

Features lie in the order of their numbers as texts, activations by ranges of numbers, so that
batch N of the one holds other features than batch N of the other.
"""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MODEL, SOURCE = "gpt2-small", "6-res_test"


def feature(index: int, **columns: Any) -> dict[str, Any]:
    """A row of the table Neuron."""
    return {
        "modelId": MODEL,
        "layer": SOURCE,
        "index": str(index),
        "maxActApprox": 8.0,
        "creatorId": "clkht01d40000jv08hvalcvly",
        "frac_nonzero": 0.01,
        "freq_hist_data_bar_heights": [5, 3, 0, 1],
        "freq_hist_data_bar_values": [1.0, 3.0, 5.0, 7.0],
        "logits_hist_data_bar_heights": [10, 20],
        "logits_hist_data_bar_values": [-0.5, 0.5],
        "neuron_alignment_indices": [1],
        "neuron_alignment_l1": [0.1],
        "neuron_alignment_values": [0.2],
        "correlated_neurons_indices": [4],
        "correlated_neurons_l1": [0.4],
        "correlated_neurons_pearson": [0.3],
        "decoder_weights_dist": [],
        "neg_str": [" no", " not"],
        "neg_values": [-0.5, -0.75],
        "pos_str": [" yes", "é"],
        "pos_values": [1.5, 0.25],
        "sourceSetName": "res_test",
        "topkCosSimIndices": [index, index + 1, index + 2],
        "topkCosSimValues": [1.0000001, 0.5, -0.25],
        "vector": [0.25] * 12,
        "vectorLabel": None,
        "hookName": "blocks.6.hook_resid_post",
        "vectorDefaultSteerStrength": 10,
        "hasVector": True,
        **columns,
    }


def activation(index: int, tokens: list[str], values: list[float], **columns: Any) -> Any:
    """A row of the table Activation, of the strongest texts unless it is said otherwise."""
    largest = max(values, default=0)
    return {
        "id": f"a{index}",
        "modelId": MODEL,
        "layer": SOURCE,
        "index": str(index),
        "creatorId": "clkht01d40000jv08hvalcvly",
        "dataSource": "monology/pile",
        "tokens": tokens,
        "maxValue": largest,
        "minValue": min(values, default=0),
        "values": values,
        "maxValueTokenIndex": values.index(largest) if values else 0,
        "dfaValues": [0.5] * len(values),
        "dfaMaxValue": None,
        "dfaTargetIndex": None,
        "binContains": -1,
        "binMin": -1,
        "binMax": largest,
        **columns,
    }


def explanation(index: int, description: str, **columns: Any) -> dict[str, Any]:
    """A row of the table Explanation."""
    return {
        "id": f"e{index}",
        "modelId": MODEL,
        "layer": SOURCE,
        "index": str(index),
        "authorId": "clkht01d40000jv08hvalcvly",
        "description": description,
        "embedding": "[0.1,0.2]",
        "typeName": "oai_token-act-pair",
        "explanationModelName": "gpt-4o-mini",
        **columns,
    }


def write_export(
    folder: Path,
    features: list[dict[str, Any]],
    activations: list[dict[str, Any]] = (),  # type: ignore[assignment]
    explanations: list[dict[str, Any]] = (),  # type: ignore[assignment]
    size: int = 3,
) -> Path:
    """The folder of one source, batches as the export cuts them; gives that folder."""
    source = folder / "v1" / MODEL / SOURCE
    by_text = sorted(features, key=lambda row: str(row["index"]))
    for number, start in enumerate(range(0, len(by_text), size)):
        write_lines(source / "features" / f"batch-{number}.jsonl.gz", by_text[start:][:size])
    for kind, rows in (("activations", activations), ("explanations", explanations)):
        last = max((int(row["index"]) for row in rows), default=-1)
        for number in range(last // size + 1):
            own = [row for row in rows if int(row["index"]) // size == number]
            write_lines(source / kind / f"batch-{number}.jsonl.gz", own)
    write_lines(source / "source.jsonl", [source_row()])
    write_lines(source / "model.jsonl", [{"id": MODEL, "displayName": "GPT-2 Small", "layers": 12}])
    return source


def source_row(**columns: Any) -> dict[str, Any]:
    """A row of the table Source."""
    return {
        "id": SOURCE,
        "modelId": MODEL,
        "setName": "res_test",
        "saelensConfig": {"d_sae": 24576, "d_in": 768, "hook_name": "hook of the config"},
        "num_prompts": 1000,
        "num_tokens_in_prompt": 128,
        "dataset": "monology/pile",
        **columns,
    }


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """One JSON object a line, packed where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
