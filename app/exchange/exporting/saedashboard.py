"""SAEDashboard 0.8 batches: `batch-{n}.json`, `skipped_indexes.json`, `run_settings.json`.

Keys, their order and their types are those of its classes `NeuronpediaDashboardFeature` and
`…Activation`. What an atlas doesn't measure (correlations with neurons, alignment, attribution to
earlier tokens) is an empty list, as there. Takes one dictionary; a batch is written feature by
feature.
"""

from typing import Any

from app import __version__
from app.exchange.exporting.chosen import Part, described
from app.exchange.exporting.dashboard import (
    Activation,
    Scale,
    activations,
    frac_nonzero,
    histograms,
    logits,
    prompts,
)
from app.exchange.exporting.folder import OutputFolder
from app.exchange.exporting.naming import Named, Names, name_of
from app.exchange.exporting.values import to_json
from app.exchange.reader.atlas import Dictionary
from app.exchange.reader.records import Feature

FORMAT = "saedashboard"
FEATURES_PER_BATCH = 128
"""As SAEDashboard's own default."""
_NOT_MEASURED: tuple[str, ...] = (
    "neuron_alignment_indices", "neuron_alignment_values", "neuron_alignment_l1",
    "correlated_neurons_indices", "correlated_neurons_l1", "correlated_neurons_pearson",
    "correlated_features_indices", "correlated_features_l1", "correlated_features_pearson",
)  # fmt: skip


def what(part: Part) -> str:
    """What the export is of."""
    return described(FORMAT, [part])


def export_saedashboard(part: Part, folder: OutputFolder, names: Names, scale: Scale) -> None:
    """Writes all files.

    Raises:
        AtlasError: the dictionary's layer can't be told, or the folder can't be written.
    """
    dictionary, named = part.dictionary, name_of(part.dictionary, names)
    head = to_json(
        {
            "model_id": named.model_id,
            "layer": named.layer,
            "sae_set": named.sae_set,
            "sae_id_suffix": named.suffix or None,
        }
    )
    features = part.features()
    for number, batch in enumerate(part.batches(FEATURES_PER_BATCH)):
        with folder.open(f"batch-{number}.json") as file:
            file.write(f'{head[:-1]},"features":['.encode())
            for place, feature in zip(range(len(batch)), features, strict=False):
                found = to_json(feature_of(feature, dictionary, scale))
                file.write(f"{',' if place else ''}\n{found}".encode())
            file.write(b"\n]}\n")
    folder.write("skipped_indexes.json", to_json(_skipped(named)) + "\n")
    folder.write("run_settings.json", to_json(_settings(part, named, scale)) + "\n")


def feature_of(feature: Feature, dictionary: Dictionary, scale: Scale) -> dict[str, Any]:
    """One feature as it stands in a batch."""
    corpus = dictionary.corpus
    n_prompts, prompt_size = prompts(corpus)
    return {
        "feature_index": feature.feature_index,
        **{name: [] for name in _NOT_MEASURED},
        **logits(feature, scale, unknown=None),
        "frac_nonzero": frac_nonzero(feature),
        **histograms(feature, scale),
        "n_prompts_total": n_prompts,
        "n_tokens_in_prompt": prompt_size,
        "dataset": corpus.name,
        "decoder_weights_dist": [],
        "activations": [_activation(one) for one in activations(feature, corpus)],
        "vector": [],
    }


def _activation(one: Activation) -> dict[str, Any]:
    return {
        "bin_min": one.bin_min,
        "bin_max": one.bin_max,
        "bin_contains": one.bin_contains,
        "tokens": one.tokens,
        "values": one.values,
        "qualifying_token_index": one.qualifying_token_index,
    }


def _skipped(named: Named) -> dict[str, Any]:
    """Nobody: dead features stand in the batches with empty lists, and to name those that weren't
    chosen here would call them dead."""
    return {
        "model_id": named.model_id,
        "layer": str(named.layer),
        "sae_set": named.sae_set,
        "log_sparsity": None,
        "skipped_indexes": [],
    }


def _settings(part: Part, named: Named, scale: Scale) -> dict[str, Any]:
    """The settings of a run as far as they mean something for an atlas, and what the atlas knows
    besides, under a key of its own."""
    record, corpus = part.dictionary.record, part.dictionary.corpus
    n_prompts, prompt_size = prompts(corpus)
    return {
        "sae_set": named.sae_set,
        "sae_path": record.hook_name,
        "np_sae_id_suffix": named.suffix or None,
        "np_set_name": None,
        "huggingface_dataset_path": corpus.name,
        "n_prompts_total": n_prompts,
        "n_tokens_in_prompt": prompt_size,
        "n_features_at_a_time": FEATURES_PER_BATCH,
        "model_id": named.model_id,
        "layer": named.layer,
        "prepend_bos": corpus.prepend_bos,
        "feature_atlas": {
            "version": __version__,
            "model": record.model,
            "sae": record.sae,
            "hook_name": record.hook_name,
            "hook_name_out": record.hook_name_out,
            "architecture": record.architecture,
            "d_in": record.d_in,
            "d_out": record.d_out,
            "d_sae": record.d_sae,
            "weights_hash": record.weights_hash,
            "n_tokens": corpus.n_tokens,
            "position_zero": corpus.position_zero,
            "logits": scale if record.imported is None else "as imported",
        },
    }
