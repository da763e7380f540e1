"""Invented files of other tools, as large as real ones and quick to write.

Numbers and texts are drawn once into a few hundred pieces of JSON, of which every feature gets
others; so a hundred thousand features take a minute, and what is measured is their reading.
Neuronpedia's lie as its database exports them: features in the order of their numbers as texts,
activations by ranges of numbers. Takes a folder and a number of features.
"""

import gzip
import json
import random
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

MODEL, SOURCE = "gpt2-small", "6-res_invented"
N_TEXTS, N_TOKENS = 30, 64
D_MODEL = 768
_BATCH = 1024
_PIECES = 300


def write_neuronpedia(folder: Path, n_features: int) -> None:
    """`v1/{modelId}/{sourceId}/` with features, activations and explanations."""
    draw = random.Random(0)
    source = folder / "v1" / MODEL / SOURCE
    about = f'{{"modelId":"{MODEL}","layer":"{SOURCE}","index":"'
    measured = [_neuronpedia_feature(draw) for _ in range(_PIECES)]
    texts = [_neuronpedia_text(draw) for _ in range(_PIECES)]
    features = (
        f'{about}{index}",{measured[int(index) % _PIECES]}\n'
        for index in sorted(map(str, range(n_features)))
    )
    for number, batch in enumerate(_batches(features, _BATCH)):
        _write(source / "features" / f"batch-{number}.jsonl.gz", batch)
    for number, start in enumerate(range(0, n_features, _BATCH)):
        own = range(start, min(start + _BATCH, n_features))
        _write(
            source / "activations" / f"batch-{number}.jsonl.gz",
            (
                f'{about}{index}",{texts[(7 * index + k) % _PIECES]}\n'
                for index in own
                for k in range(N_TEXTS)
            ),
        )
        _write(
            source / "explanations" / f"batch-{number}.jsonl.gz",
            (f'{about}{index}","description":"number {index}"}}\n' for index in own),
        )


def write_circuit_tracer(folder: Path, n_features: int) -> None:
    """One layer, packed."""
    draw = random.Random(1)
    objects = [gzip.compress(json.dumps(_circuit_tracer(draw)).encode()) for _ in range(_PIECES)]
    folder.mkdir(parents=True)
    offsets = [0]
    with (folder / "layer_0.bin").open("wb") as file:
        for index in range(n_features):
            one = objects[index % _PIECES]
            file.write(struct.pack("<I", len(one)) + one)
            offsets.append(file.tell())
    index = {"0": {"filename": "layer_0.bin", "offsets": offsets}}
    (folder / "index.json.gz").write_bytes(gzip.compress(json.dumps(index).encode()))


def write_openai_viewer(folder: Path, n_features: int) -> None:
    """One file a feature."""
    draw = random.Random(2)
    atoms = folder / MODEL / "v5_32k" / "layer_6" / "resid_post_mlp" / "atoms"
    atoms.mkdir(parents=True)
    objects = [json.dumps(_openai(draw)) for _ in range(_PIECES)]
    for index in range(n_features):
        (atoms / f"{index}.json").write_text(objects[index % _PIECES])


def _neuronpedia_feature(draw: random.Random) -> str:
    """A row of its table Neuron after the index, with the direction."""
    bars = sorted(draw.random() * 20 for _ in range(50))
    row = {
        "maxActApprox": 20.0,
        "frac_nonzero": 0.001,
        "freq_hist_data_bar_heights": [draw.randrange(1000) for _ in bars],
        "freq_hist_data_bar_values": bars,
        "logits_hist_data_bar_heights": [draw.randrange(1000) for _ in bars],
        "logits_hist_data_bar_values": bars,
        "pos_str": [_token(draw) for _ in range(10)],
        "pos_values": [draw.random() for _ in range(10)],
        "neg_str": [_token(draw) for _ in range(10)],
        "neg_values": [-draw.random() for _ in range(10)],
        "topkCosSimIndices": [],
        "topkCosSimValues": [],
        "vector": [draw.gauss(0, 1) for _ in range(D_MODEL)],
        "hookName": "blocks.6.hook_resid_post",
    }
    return json.dumps(row)[1:]


def _neuronpedia_text(draw: random.Random) -> str:
    tokens, values, peak = _text(draw)
    row = {
        "dataSource": "invented",
        "tokens": tokens,
        "values": values,
        "maxValue": values[peak],
        "maxValueTokenIndex": peak,
        "dfaValues": [],
        "binMin": -1,
        "binMax": 20,
        "binContains": -1,
    }
    return json.dumps(row)[1:]


def _circuit_tracer(draw: random.Random) -> dict[str, object]:
    examples = [
        {"tokens": tokens, "tokens_acts_list": values, "train_token_ind": peak}
        for tokens, values, peak in (_text(draw) for _ in range(N_TEXTS))
    ]
    return {
        "transcoder_id": "0",
        "index": 0,
        "examples_quantiles": [{"quantile_name": "Top activations", "examples": examples}],
        "top_logits": [_token(draw) for _ in range(10)],
        "bottom_logits": [_token(draw) for _ in range(10)],
        "act_max": 20.0,
        "activation_frequency": 0.001,
    }


def _openai(draw: random.Random) -> dict[str, object]:
    texts = [_text(draw) for _ in range(N_TEXTS)]
    examples = [
        {
            "doc_id": draw.randrange(1000),
            "idx": peak,
            "acts": values,
            "act": values[peak],
            "tokens": tokens,
            "token_ints": [draw.randrange(50_000) for _ in tokens],
        }
        for tokens, values, peak in texts
    ]
    half = N_TEXTS // 2
    return {
        **{"density": 0.001, "mean_act": 0.01, "mean_act_squared": 0.12, "hist": {"1": 5, "40": 1}},
        **{"top": examples[:half], "random": examples[half:]},
    }


def _text(draw: random.Random) -> tuple[list[str], list[float], int]:
    """Tokens, activations and the place of the largest."""
    peak = draw.randrange(N_TOKENS)
    values = [0.0] * N_TOKENS
    for place in (peak, *draw.sample(range(N_TOKENS), 5)):
        values[place] = round(draw.random() * 8, 4)
    values[peak] = round(8 + draw.random() * 8, 4)
    return [_token(draw) for _ in range(N_TOKENS)], values, peak


def _token(draw: random.Random) -> str:
    return " " + "".join(draw.choice("etaoinshrdlu") for _ in range(draw.randrange(2, 7)))


def _batches(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    waiting: list[str] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        file.writelines(lines)
