"""circuit-tracer's features: one JSON file a feature, as its frontend asks for them.

`{number}.json`, the number being the Cantor pairing of layer and feature, by which its graphs name
a feature; keys are those of its class `frontend/feature_models.py: Model`. What an atlas doesn't
have is null, which the frontend leaves out: percentiles of the activation (`quantile_values`)
always, and of a dead feature everything that is of its firings. Texts are the atlas' windows,
without the first position of a context. Takes dictionaries of different layers.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from app.db.records import CorpusRecord
from app.errors import AtlasError
from app.exchange.exporting.chosen import Part, described, no_place_for
from app.exchange.exporting.dashboard import Scale, ends, left_out, sides
from app.exchange.exporting.folder import OutputFolder
from app.exchange.exporting.naming import Named, Names, name_of
from app.exchange.exporting.values import numbers, optional, strongest_band_first, to_json
from app.exchange.reader.records import Example, Feature

FORMAT = "circuit-tracer"
TOP, INTERVAL = "Top Activations", "Subsample Interval {}: {} to {}"
"""What the groups are called in files it is used with, and the interval's ends, which have no other
place there; interval 0 is the strongest."""


def what(parts: Sequence[Part]) -> str:
    """What the export is of."""
    return described(FORMAT, parts)


def lost(parts: Sequence[Part]) -> str:
    """What of the dictionaries has no place in this format, in a sentence; empty for nothing."""
    dictionaries = [part.dictionary for part in parts if part.dictionary.record.hook_name]
    return no_place_for(
        "hooks", (f"{one.address} is at {one.record.place}" for one in dictionaries)
    )


def export_circuit_tracer(
    parts: Sequence[Part], folder: OutputFolder, names: Names, scale: Scale
) -> None:
    """Writes all files.

    Raises:
        AtlasError: a layer can't be told, two dictionaries are of one, or the folder can't be
            written.
    """
    named = [name_of(part.dictionary, names) for part in parts]
    layers = [one.layer for one in named]
    for layer in layers:
        if layers.count(layer) > 1:
            raise AtlasError(
                f"Two dictionaries are of layer {layer}, and here a layer has one: choose with "
                "--sae."
            )
    for part, one in zip(parts, named, strict=True):
        for feature in part.features():
            name = f"{cantor_pair(one.layer, feature.feature_index)}.json"
            folder.write(
                name, to_json(feature_of(feature, one, scale, part.dictionary.corpus)) + "\n"
            )


def cantor_pair(layer: int, feature_index: int) -> int:
    """One number for the two, and only for them."""
    total = layer + feature_index
    return total * (total + 1) // 2 + feature_index


def feature_of(
    feature: Feature, named: Named, scale: Scale, corpus: CorpusRecord
) -> dict[str, Any]:
    """One feature as it stands in its file, its texts without the first position."""
    promoted, suppressed = sides(feature, scale)
    histogram, record = feature.histogram, feature.statistics
    return {
        "transcoder_id": f"{named.model_id}/{named.source_id}",
        "index": feature.feature_index,
        "examples_quantiles": list(_groups(feature, corpus)),
        "top_logits": [one.token for one in promoted],
        "bottom_logits": [one.token for one in suppressed],
        "act_min": None if histogram is None else float(histogram.edges[0]),
        "act_max": optional(record.max_activation),
        "quantile_values": None,
        "histogram": None if histogram is None else histogram.counts.tolist(),
        "activation_frequency": record.density,
    }


def _groups(feature: Feature, corpus: CorpusRecord) -> Iterable[dict[str, Any]]:
    """The strongest texts, then the intervals from the highest on; an example that stands in an
    earlier group too is marked as repeated."""
    seen: set[tuple[int, int]] = set()
    skip = left_out(corpus)
    if feature.top_examples:
        yield _group(TOP, feature.top_examples, skip, seen)
    in_bands = strongest_band_first(feature.group("interval"))
    bands = {one.band.number: one.band for one in in_bands if one.band is not None}
    for place, which in enumerate(bands):
        own = [one for one in in_bands if one.band is not None and one.band.number == which]
        low, high = ends(bands[which], corpus)
        yield _group(INTERVAL.format(place, low, high), own, skip, seen)


def _group(
    name: str, examples: Iterable[Example], skip: int, seen: set[tuple[int, int]]
) -> dict[str, Any]:
    found = []
    for example in examples:
        start = max(skip, example.window_start)
        if example.token_index < start:
            continue
        place = (example.context.context_id, example.token_index)
        found.append(
            {
                "tokens_acts_list": numbers(
                    example.context_activations[start : example.window_stop]
                ),
                "train_token_ind": example.token_index - start,
                "is_repeated_datapoint": place in seen,
                "tokens": list(example.context.tokens[start : example.window_stop]),
            }
        )
        seen.add(place)
    return {"quantile_name": name, "examples": found}
