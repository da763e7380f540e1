"""Neuronpedia's layout: `v1/{modelId}/{sourceId}/` with four records and three folders of batches.

Written for its importer (`apps/webapp/app/api/admin/import`): the columns of a batch are those of
its first line, so every line of a kind has the same keys; a batch without lines would stop it and
is not written; what its tables want not to be null never is; explanations name no type and no
model, since only those it knows may be named. Keys are those its own export writes. Takes
dictionaries and labels; a batch holds the features, texts and explanations of the same features.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

from app import __version__
from app.db.features import column_values
from app.errors import AtlasError
from app.exchange.exporting import dashboard
from app.exchange.exporting.chosen import Part, described, no_place_for
from app.exchange.exporting.dashboard import (
    Activation,
    Scale,
    activations,
    frac_nonzero,
    prompts,
)
from app.exchange.exporting.folder import OutputFolder
from app.exchange.exporting.labels import Explanation, Explanations
from app.exchange.exporting.naming import Named, Names, name_of
from app.exchange.exporting.values import number, optional, to_json
from app.exchange.reader.atlas import Dictionary
from app.exchange.reader.records import Feature

FORMAT = "neuronpedia"
FEATURES_PER_BATCH = 128
"""The importer sends a batch to its database in one piece, which may have some 200 MB."""
NO_LOGIT = -10_000.0
"""What stands there for a logit that isn't known"""
DEFAULT_CREATOR = "clkht01d40000jv08hvalcvly"
"""The account that Neuronpedia's own seed makes for this; every record must have one."""


@dataclass(frozen=True)
class Release:
    """What the records say of who made this; nothing of it can be read from an atlas."""

    name: str = ""
    """identity of the release; empty: that of model and dictionary"""
    creator_name: str = "Feature Atlas"
    creator_id: str = DEFAULT_CREATOR
    """an account of the Neuronpedia it is imported into"""


def what(parts: Sequence[Part]) -> str:
    """What the export is of."""
    return described(FORMAT, parts)


def lost(parts: Sequence[Part]) -> str:
    """What of the dictionaries has no place in this format, in a sentence; empty for nothing."""
    transcoders = [part.dictionary for part in parts if part.dictionary.record.hook_name_out]
    written = (f"{one.address} writes at {one.record.hook_name_out}" for one in transcoders)
    return no_place_for("a second hook", written)


def export_neuronpedia(
    parts: Sequence[Part],
    folder: OutputFolder,
    names: Names,
    scale: Scale,
    release: Release,
    explanations: Mapping[str, Explanations],
) -> None:
    """Writes all files.

    Args:
        explanations: of each dictionary, by its address.

    Raises:
        AtlasError: a layer can't be told, two dictionaries would have one place, or the folder
            can't be written.
    """
    named = [name_of(part.dictionary, names) for part in parts]
    places = [f"{one.model_id}/{one.source_id}" for one in named]
    for place in places:
        if places.count(place) > 1:
            raise AtlasError(
                f"Two dictionaries would both be {place} there: export one at a time, with --set "
                "or --suffix."
            )
    for part, one in zip(parts, named, strict=True):
        _Source(part, one, folder, scale, release).write(explanations.get(part.dictionary.address))


class _Source:
    """One dictionary on its way."""

    def __init__(
        self, part: Part, named: Named, folder: OutputFolder, scale: Scale, release: Release
    ) -> None:
        self._part, self._named, self._folder = part, named, folder
        self._scale: Scale = scale
        self._release = release
        self._place = f"v1/{named.model_id}/{named.source_id}"
        density = column_values(
            part.dictionary.connection, part.dictionary.stored.sae_id, ["density"]
        )["density"]
        self._has_density = not bool((density != density).any())

    def write(self, explanations: Explanations | None) -> None:
        """Its records, then batch after batch."""
        records = {
            "release": release_record(self._named, self._release, self._part.dictionary),
            "model": model_record(self._named, self._release, self._part.dictionary),
            "sourceset": source_set_record(self._named, self._release, self._part.dictionary),
            "source": source_record(self._named, self._release, self._part.dictionary),
        }
        for name, record in records.items():
            self._folder.write(f"{self._place}/{name}.jsonl", f"{to_line(record)}\n")
        features = self._part.features()
        for number_, batch in enumerate(self._part.batches(FEATURES_PER_BATCH)):
            with ExitStack() as files:
                lines = _Lines(files, self._folder, self._place, number_)
                for _, feature in zip(batch, features, strict=False):
                    self._write_feature(lines, feature, (explanations or {}))

    def _write_feature(self, lines: "_Lines", feature: Feature, explanations: Explanations) -> None:
        named, creator = self._named, self._release.creator_id
        found = feature_record(feature, named, creator, self._part.dictionary, self._scale)
        if not self._has_density:
            del found["frac_nonzero"]
        lines.add("features", found)
        corpus = self._part.dictionary.corpus
        for place, one in enumerate(activations(feature, corpus)):
            lines.add(
                "activations",
                activation_record(one, feature, place, named, creator, corpus.name),
            )
        for explanation in explanations.get(feature.feature_index, ()):
            lines.add("explanations", explanation_record(explanation, feature, named, creator))


class _Lines:
    """The files of one batch, each opened by its first line."""

    def __init__(self, files: ExitStack, folder: OutputFolder, place: str, number: int) -> None:
        self._files, self._folder, self._place, self._number = files, folder, place, number
        self._open: dict[str, BinaryIO] = {}

    def add(self, kind: str, record: Mapping[str, Any]) -> None:
        """One more line of a kind."""
        if kind not in self._open:
            name = f"{self._place}/{kind}/batch-{self._number}.jsonl.gz"
            self._open[kind] = self._files.enter_context(self._folder.open_gzip(name))
        self._open[kind].write(f"{to_line(record)}\n".encode())


def to_line(record: Mapping[str, Any]) -> str:
    r"""One line as the importer's database takes it.

    A NUL is a space, which is what the importer makes of it. It looks for `\u0000` as text, so a
    token that spells that out gets its backslash escaped.
    """
    line = to_json(record).replace("\\u0000", "\0")
    # Each NUL is now one of a token, or the end of an escaped backslash before the text "u0000".
    parts = line.split("\0")
    for i, part in enumerate(parts[:-1]):
        n_before = len(part) - len(part.rstrip("\\"))
        parts[i] = part[:-1] + "\\u005cu0000" if n_before % 2 else part + " "
    return "".join(parts)


def feature_record(
    feature: Feature, named: Named, creator: str, dictionary: Dictionary, scale: Scale
) -> dict[str, Any]:
    """A row of its table Neuron."""
    return {
        "modelId": named.model_id,
        "layer": named.source_id,
        "index": str(feature.feature_index),
        "maxActApprox": optional(feature.statistics.max_activation),
        "creatorId": creator,
        "frac_nonzero": frac_nonzero(feature),
        **dashboard.histograms(feature, scale),
        "neuron_alignment_indices": [],
        "neuron_alignment_l1": [],
        "neuron_alignment_values": [],
        "correlated_neurons_indices": [],
        "correlated_neurons_l1": [],
        "correlated_neurons_pearson": [],
        "correlated_features_indices": [],
        "correlated_features_l1": [],
        "correlated_features_pearson": [],
        "decoder_weights_dist": [],
        **dashboard.logits(feature, scale, unknown=NO_LOGIT),
        "sourceSetName": named.sae_set,
        "topkCosSimIndices": [one.feature_index for one in feature.neighbors],
        "topkCosSimValues": [number(one.cosine_similarity) for one in feature.neighbors],
        "vector": [],
        "vectorLabel": None,
        "hookName": dictionary.record.hook_name or None,
        "vectorDefaultSteerStrength": None,
        "hasVector": False,
    }


def activation_record(
    one: Activation, feature: Feature, place: int, named: Named, creator: str, dataset: str
) -> dict[str, Any]:
    """A row of its table Activation."""
    largest = max(one.values)
    return {
        "id": _identity(named, feature.feature_index, place),
        "modelId": named.model_id,
        "layer": named.source_id,
        "index": str(feature.feature_index),
        "creatorId": creator,
        "dataIndex": str(one.example.context.context_id),
        "dataSource": one.example.document or dataset,
        "tokens": one.tokens,
        "maxValue": largest,
        "minValue": min(one.values),
        "values": one.values,
        "maxValueTokenIndex": one.values.index(largest),
        "qualifyingTokenIndex": one.qualifying_token_index,
        "dfaValues": [],
        "dfaMaxValue": None,
        "dfaTargetIndex": None,
        "binContains": one.bin_contains,
        "binMin": one.bin_min,
        "binMax": one.bin_max,
    }


def explanation_record(
    explanation: Explanation, feature: Feature, named: Named, creator: str
) -> dict[str, Any]:
    """A row of its table Explanation."""
    return {
        "id": explanation.uid,
        "modelId": named.model_id,
        "layer": named.source_id,
        "index": str(feature.feature_index),
        "authorId": creator,
        "description": explanation.text,
        "embedding": None,
        "typeName": None,
        "explanationModelName": None,
        "notes": f"by {explanation.author}" if explanation.author else None,
    }


def release_record(named: Named, release: Release, dictionary: Dictionary) -> dict[str, Any]:
    """A row of its table SourceRelease."""
    return {
        "name": _release_name(named, release),
        "visibility": "PUBLIC",
        "isNewUi": False,
        "featured": False,
        "description": f"{dictionary.address}, from Feature Atlas {__version__}",
        "descriptionShort": None,
        "urls": [],
        "creatorEmail": None,
        "creatorName": release.creator_name,
        "creatorNameShort": None,
        "creatorId": release.creator_id,
        "defaultSourceSetName": named.sae_set,
        "defaultSourceId": named.source_id,
        "defaultUmapSourceIds": [],
    }


def model_record(named: Named, release: Release, dictionary: Dictionary) -> dict[str, Any]:
    """A row of its table Model. It is made before the set and the source, so it names neither."""
    model = dictionary.model
    return {
        "id": named.model_id,
        "displayNameShort": named.model_id,
        "displayName": model.name or named.model_id,
        "creatorId": release.creator_id,
        "tlensId": None,
        "dimension": model.d_model or None,
        "visibility": "PUBLIC",
        "inferenceEnabled": False,
        "instruct": False,
        "layers": model.n_layers or 0,
        "neuronsPerLayer": 0,
        "owner": "",
        "website": None,
    }


def source_set_record(named: Named, release: Release, dictionary: Dictionary) -> dict[str, Any]:
    """A row of its table SourceSet."""
    record = dictionary.record
    return {
        "modelId": named.model_id,
        "name": named.sae_set,
        "hasDashboards": True,
        "visibility": "PUBLIC",
        "description": f"{record.n_features:,} features"
        + (f" at {record.hook_name}" if record.hook_name else ""),
        "type": "",
        "creatorName": release.creator_name,
        "urls": [],
        "creatorEmail": None,
        "creatorId": release.creator_id,
        "releaseName": _release_name(named, release),
        "defaultRange": 1,
        "defaultShowBreaks": True,
        "showDfa": False,
        "showCorrelated": False,
        "showHeadAttribution": False,
        "showUmap": False,
    }


def source_record(named: Named, release: Release, dictionary: Dictionary) -> dict[str, Any]:
    """A row of its table Source."""
    corpus = dictionary.corpus
    n_prompts, prompt_size = prompts(corpus)
    return {
        "id": named.source_id,
        "modelId": named.model_id,
        "hasDashboards": True,
        "inferenceEnabled": False,
        "saelensRelease": None,
        "saelensSaeId": None,
        "hfRepoId": None,
        "hfFolderId": None,
        "visibility": "PUBLIC",
        "setName": named.sae_set,
        "creatorId": release.creator_id,
        "hasUmap": False,
        "hasUmapLogSparsity": False,
        "hasUmapClusters": False,
        "num_prompts": n_prompts,
        "num_tokens_in_prompt": prompt_size,
        "dataset": corpus.name or None,
        "notes": None,
    }


def _release_name(named: Named, release: Release) -> str:
    return release.name or f"{named.model_id}-{named.sae_set}"


def _identity(named: Named, feature_index: int, place: int) -> str:
    """The same for the same text of the same export, so that importing it again adds nothing."""
    key = f"{named.model_id}/{named.source_id}/{feature_index}/{place}"
    return f"c{hashlib.sha256(key.encode()).hexdigest()[:24]}"
