"""What the lines of a Neuronpedia export say of a feature.

Takes parsed lines, gives records. Traps: `index` is a text in a database's export and a number in
SAEDashboard's; a logit of −10000 is none; a share of 0 is also what stands where nobody measured
it. Knows no folders and no order of lines.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from app.errors import AtlasError, echoed
from app.exchange.foreign import (
    ForeignDictionary,
    ForeignExample,
    ForeignExplanation,
    ForeignFeature,
    ForeignLogits,
    ForeignNeighbors,
)
from app.exchange.importing.bars import histogram_of
from app.exchange.importing.entry import Entry, parse
from app.exchange.importing.examples import read_example
from app.exchange.importing.intervals import group_and_band
from app.exchange.importing.text_files import Place

KINDS = ("features", "activations", "explanations")
NO_LOGIT = -10_000
_NO_TOKEN = "<|outofrange|>"
"""stands for an entry of the unembedding without a token"""

_INDEX = re.compile(rb'"index"\s*:\s*"?(\d{1,10})"?\s*[,}]')
_UNUSED = re.compile(
    rb'"(?:vector|embedding|decoder_weights_dist|dfaValues|lossValues|neuron_alignment_\w+'
    rb'|correlated_\w+)"\s*:\s*\[[^\[\]"]*\]'
)

ABSENT = (
    "token ids",
    "where in its context a text begins",
    "the number of active tokens",
    "mean, spread, skewness and kurtosis of the activations",
)
APPROXIMATE = (
    "density, rounded to 0.00001",
    "largest activation, that of the texts kept",
    "an interval's share of the active tokens, from shares of all tokens rounded to 0.00001",
)


@dataclass
class Lines:
    """The lines of one feature."""

    feature: Entry | None = None
    activations: list[Entry] = field(default_factory=list)
    explanations: list[Entry] = field(default_factory=list)

    def add(self, kind: str, line: Entry) -> None:
        if kind == "activations":
            self.activations.append(line)
        elif kind == "explanations":
            self.explanations.append(line)
        elif self.feature is None:
            self.feature = line
        else:
            raise AtlasError(
                f"{line.place} has feature {line.whole('index')}, which stands already in "
                f"{self.feature.place} expected once."
            )

    def all(self) -> list[Entry]:
        return [*([self.feature] if self.feature else []), *self.activations, *self.explanations]


def feature_index(line: bytes, place: Place) -> int:
    """Which feature a line is about, without reading the rest of it where that can be.

    A quote inside a text is escaped, so `"index":` is a key wherever it stands.
    """
    found = _INDEX.findall(line)
    if len(found) == 1 and int(found[0]) < 2**31:
        return int(found[0])
    entry = parse(line, place)
    return entry.need(entry.whole, "index")


def without_unused(line: bytes) -> bytes:
    """The line without its longest lists of numbers, which nothing here reads."""
    return _UNUSED.sub(b'"_":0', line)


def dictionary_of(
    folder: Path, records: Mapping[str, Entry], first: Mapping[str, Entry]
) -> ForeignDictionary:
    """What the export says of the dictionary.

    Args:
        records: `model`, `source` and `sourceset`, those that are there.
        first: the first line of each kind, where there is one.
    """
    source = records.get("source")
    config = _config(source)
    named = next((line for line in first.values() if line.has("modelId", "layer")), None)
    feature, activation = first.get("features"), first.get("activations")
    vector = feature.numbers("vector") if feature else None
    context_size = source.whole("num_tokens_in_prompt", 1) if source else None
    n_prompts = source.whole("num_prompts", 0) if source else None
    absent = [*ABSENT]
    if activation is None:
        absent.append("examples: the export has no activations")
    if feature is None:
        absent.append("everything but texts and explanations: the export has no features")
    return ForeignDictionary(
        model=_name(named, source, "modelId", "modelId") or folder.parent.name,
        sae=_name(named, source, "layer", "id") or folder.name,
        hook_name=(feature.text("hookName") if feature else None) or config.text("hook_name"),
        d_sae=config.whole("d_sae", 1),
        d_in=config.whole("d_in", 1) or (len(vector) if vector is not None else 0) or None,
        n_tokens=n_prompts * context_size if n_prompts and context_size else None,
        corpus=_corpus(source, activation),
        n_contexts=n_prompts or None,
        context_size=context_size,
        absent=absent,
        approximate=APPROXIMATE if feature else (),
        source=_settings(records),
    )


def feature_of(index: int, lines: Lines, dictionary: ForeignDictionary) -> ForeignFeature:
    """One feature from all its lines.

    Raises:
        AtlasError: a line is about another dictionary, or a field can't be read.
    """
    for line in lines.all():
        _refuse_other(line, dictionary)
    feature, place = lines.feature, str(lines.all()[0].place)
    examples = _examples(lines, dictionary)
    explanations = tuple(found for line in lines.explanations if (found := _explanation(line)))
    if feature is None:
        return ForeignFeature(index, examples=examples, explanations=explanations, place=place)
    largest = feature.number("maxActApprox")
    density = _density(feature)
    silent = density == 0 and not largest and not examples
    return ForeignFeature(
        index,
        density=None if density == 0 and not silent else density,
        max_activation=largest if largest or silent else None,
        histogram=histogram_of(feature, "freq_hist_data_bar_values", "freq_hist_data_bar_heights"),
        logits=_logits(feature),
        neighbors=_neighbors(feature, index),
        examples=examples,
        explanations=explanations,
        place=place,
    )


def _density(feature: Entry) -> float | None:
    return feature.number("frac_nonzero", 0, 1)


def _examples(lines: Lines, dictionary: ForeignDictionary) -> tuple[ForeignExample, ...]:
    density = _density(lines.feature) if lines.feature else None
    found = []
    for line in lines.activations:
        group, band = group_and_band(line, "binMin", "binMax", "binContains", density)
        document = line.text("dataSource")
        example = read_example(
            line,
            group=group,
            band=band,
            activations="values",
            positions=("qualifyingTokenIndex", "maxValueTokenIndex"),
            document=None if document == dictionary.corpus else document,
        )
        if example is not None:
            found.append(example)
    return tuple(found)


def _explanation(line: Entry) -> ForeignExplanation | None:
    text = (line.text("description") or "").strip()
    if not text:
        return None
    author = [found for name in ("explanationModelName", "typeName") if (found := line.text(name))]
    notes = line.text("notes") or ""
    if not author and notes.startswith("by "):
        author = [notes.removeprefix("by ")]
    return ForeignExplanation(text, ", ".join(author) or None)


def _logits(feature: Entry) -> ForeignLogits | None:
    promoted, suppressed = _side(feature, "pos", -1), _side(feature, "neg", 1)
    histogram = histogram_of(feature, "logits_hist_data_bar_values", "logits_hist_data_bar_heights")
    if not promoted[0] and not suppressed[0] and histogram is None:
        return None
    return ForeignLogits(*promoted, *suppressed, histogram)


def _side(feature: Entry, side: str, sign: int) -> tuple[list[str], Float[np.ndarray, " n"]]:
    """Tokens with their logits, those with the largest `sign` × −logit first, unknown ones last."""
    tokens = feature.texts(f"{side}_str") or []
    values = feature.numbers(f"{side}_values")
    if values is None:
        values = np.full(len(tokens), np.nan)
    feature.same_length(f"{side}_str", len(tokens), f"{side}_values", len(values))
    logits = np.where(values == NO_LOGIT, np.nan, values)
    order = np.argsort(sign * logits, kind="stable")
    kept = [int(i) for i in order if tokens[i] and tokens[i] != _NO_TOKEN]
    return [tokens[i] for i in kept], logits[kept]


def _neighbors(feature: Entry, index: int) -> ForeignNeighbors | None:
    indices, cosines = feature.wholes("topkCosSimIndices"), feature.numbers("topkCosSimValues")
    if indices is None or cosines is None:
        return None
    feature.same_length("topkCosSimIndices", len(indices), "topkCosSimValues", len(cosines))
    if (np.abs(cosines) > 1.001).any():
        feature.wrong("topkCosSimValues", cosines.tolist(), "cosines, −1 to 1")
    order = [int(i) for i in np.argsort(-cosines, kind="stable") if indices[i] != index]
    if not order:
        return None
    return ForeignNeighbors(np.array(indices)[order], np.clip(cosines[order], -1, 1))


def _refuse_other(line: Entry, dictionary: ForeignDictionary) -> None:
    model, layer = line.text("modelId"), line.text("layer")
    if (model or dictionary.model, layer or dictionary.sae) != (dictionary.model, dictionary.sae):
        raise AtlasError(
            f"{line.place} is about {echoed(f'{model}/{layer}')}, the folder's other lines about "
            f"{dictionary.model}/{dictionary.sae}: put each dictionary into a folder of its own."
        )


def _name(line: Entry | None, source: Entry | None, in_line: str, in_source: str) -> str:
    return (
        (line.text(in_line) if line else None) or (source.text(in_source) if source else "") or ""
    )


def _corpus(source: Entry | None, activation: Entry | None) -> str | None:
    named = source.text("dataset") if source else None
    return named or (activation.text("dataSource") if activation else None) or None


def _config(source: Entry | None) -> Entry:
    """The dictionary's own settings, where the export has them."""
    held = source.any("saelensConfig") if source else None
    place = source.place if source else Place(Path())
    return Entry(held if isinstance(held, dict) else {}, place)


def _settings(records: Mapping[str, Entry]) -> dict[str, Any]:
    names = {
        "model": ("id", "displayName", "layers"),
        "sourceset": ("name", "description", "creatorName", "urls", "releaseName"),
        "source": (
            *("id", "setName", "dataset", "num_prompts", "num_tokens_in_prompt", "notes"),
            *("saelensRelease", "saelensSaeId", "hfRepoId", "hfFolderId"),
        ),
    }
    return {kind: record.plain(*names[kind]) for kind, record in records.items()}
