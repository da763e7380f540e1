"""Neuronpedia's layout against its own schema, and against the atlas by recomputation.

The columns and what may be null are those of `apps/webapp/prisma/schema.prisma` (September 2026),
written down here by hand; `imported` does with a batch what `apps/webapp/lib/db/import.ts` does.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.exchange.exporting.neuronpedia import NO_LOGIT, to_line
from app.exchange.reader.atlas import Atlas
from app.notebook.database import open_notebook, writing
from app.notebook.labels import add_label
from app.notebook.records import Subject
from tests.exchange.conftest import FIRST, N_FEATURES, Export, numbered, read_lines

# kind, and whether the column may be null; lists of Prisma never are
TEXT, OPTIONAL_TEXT = (str, False), (str, True)
INT, OPTIONAL_INT = (int, False), (int, True)
FLOAT, OPTIONAL_FLOAT = (float, False), (float, True)
BOOL = (bool, False)
TEXTS, INTS, FLOATS = ([str], False), ([int], False), ([float], False)

NEURON = {
    "modelId": TEXT, "layer": TEXT, "index": TEXT, "sourceSetName": OPTIONAL_TEXT,
    "creatorId": OPTIONAL_TEXT, "maxActApprox": OPTIONAL_FLOAT, "hasVector": BOOL, "vector": FLOATS,
    "vectorLabel": OPTIONAL_TEXT, "vectorDefaultSteerStrength": OPTIONAL_FLOAT,
    "hookName": OPTIONAL_TEXT, "topkCosSimIndices": INTS, "topkCosSimValues": FLOATS,
    "neuron_alignment_indices": INTS, "neuron_alignment_values": FLOATS,
    "neuron_alignment_l1": FLOATS, "correlated_neurons_indices": INTS,
    "correlated_neurons_pearson": FLOATS, "correlated_neurons_l1": FLOATS,
    "correlated_features_indices": INTS, "correlated_features_pearson": FLOATS,
    "correlated_features_l1": FLOATS, "neg_str": TEXTS, "neg_values": FLOATS, "pos_str": TEXTS,
    "pos_values": FLOATS, "frac_nonzero": FLOAT, "freq_hist_data_bar_heights": FLOATS,
    "freq_hist_data_bar_values": FLOATS, "logits_hist_data_bar_heights": FLOATS,
    "logits_hist_data_bar_values": FLOATS, "decoder_weights_dist": FLOATS,
}  # fmt: skip
ACTIVATION = {
    "id": TEXT, "tokens": TEXTS, "dataIndex": OPTIONAL_TEXT, "index": TEXT, "layer": TEXT,
    "modelId": TEXT, "dataSource": OPTIONAL_TEXT, "maxValue": FLOAT, "maxValueTokenIndex": INT,
    "minValue": FLOAT, "values": FLOATS, "dfaValues": FLOATS, "dfaTargetIndex": OPTIONAL_INT,
    "dfaMaxValue": OPTIONAL_FLOAT, "creatorId": TEXT, "binMin": OPTIONAL_FLOAT,
    "binMax": OPTIONAL_FLOAT, "binContains": OPTIONAL_FLOAT, "qualifyingTokenIndex": OPTIONAL_INT,
}  # fmt: skip
EXPLANATION = {
    "id": TEXT, "modelId": TEXT, "layer": TEXT, "index": TEXT, "description": TEXT,
    "authorId": TEXT, "notes": OPTIONAL_TEXT, "typeName": OPTIONAL_TEXT,
    "explanationModelName": OPTIONAL_TEXT, "embedding": OPTIONAL_TEXT,
}  # fmt: skip
# of what `prisma.….create({data: line})` takes: other keys are refused there
RELEASE = {
    "name": TEXT, "visibility": TEXT, "isNewUi": BOOL, "featured": BOOL, "description": TEXT,
    "descriptionShort": OPTIONAL_TEXT, "urls": TEXTS, "creatorEmail": OPTIONAL_TEXT,
    "creatorName": TEXT, "creatorNameShort": OPTIONAL_TEXT, "creatorId": TEXT,
    "defaultSourceSetName": OPTIONAL_TEXT, "defaultSourceId": OPTIONAL_TEXT,
    "defaultUmapSourceIds": TEXTS,
}  # fmt: skip
MODEL = {
    "id": TEXT, "displayNameShort": TEXT, "displayName": TEXT, "creatorId": TEXT,
    "tlensId": OPTIONAL_TEXT, "dimension": OPTIONAL_INT, "visibility": TEXT,
    "inferenceEnabled": BOOL, "instruct": BOOL, "layers": INT, "neuronsPerLayer": INT,
    "owner": TEXT, "website": OPTIONAL_TEXT,
}  # fmt: skip
SOURCE_SET = {
    "modelId": TEXT, "name": TEXT, "hasDashboards": BOOL, "visibility": TEXT, "description": TEXT,
    "type": TEXT, "creatorName": TEXT, "urls": TEXTS, "creatorEmail": OPTIONAL_TEXT,
    "creatorId": TEXT, "releaseName": OPTIONAL_TEXT, "defaultRange": INT,
    "defaultShowBreaks": BOOL, "showDfa": BOOL, "showCorrelated": BOOL,
    "showHeadAttribution": BOOL, "showUmap": BOOL,
}  # fmt: skip
SOURCE = {
    "id": TEXT, "modelId": TEXT, "hasDashboards": BOOL, "inferenceEnabled": BOOL,
    "saelensRelease": OPTIONAL_TEXT, "saelensSaeId": OPTIONAL_TEXT, "hfRepoId": OPTIONAL_TEXT,
    "hfFolderId": OPTIONAL_TEXT, "visibility": TEXT, "setName": TEXT, "creatorId": TEXT,
    "hasUmap": BOOL, "hasUmapLogSparsity": BOOL, "hasUmapClusters": BOOL,
    "num_prompts": OPTIONAL_INT, "num_tokens_in_prompt": OPTIONAL_INT, "dataset": OPTIONAL_TEXT,
    "notes": OPTIONAL_TEXT,
}  # fmt: skip
SEEDED_ACCOUNT = "clkht01d40000jv08hvalcvly"
"""Made by `apps/webapp/prisma/seed.ts`."""


def check(record: dict[str, Any], table: dict[str, Any]) -> None:
    assert set(record) == set(table)
    for name, (kind, nullable) in table.items():
        value = record[name]
        if value is None:
            assert nullable, name
        elif isinstance(kind, list):
            assert isinstance(value, list), name
            assert all(_is(one, kind[0]) for one in value), name
        else:
            assert _is(value, kind), name


def _is(value: Any, kind: type) -> bool:
    """A whole number does where a Float is wanted; a Boolean is no number."""
    return type(value) is kind or (kind is float and type(value) is int)


def imported(path: Path) -> list[dict[str, Any]]:
    """The rows a batch becomes: columns of its first line, `\\u0000` a space."""
    text = gzip.decompress(path.read_bytes()).decode().replace("\\u0000", " ")
    lines = text.strip().split("\n")
    columns = list(json.loads(lines[0]))
    return [{name: json.loads(line).get(name) for name in columns} for line in lines]


@pytest.fixture
def place(export: Export) -> Path:
    return export("neuronpedia", "--sae", FIRST) / "v1" / "synthetic" / "2-one"


def rows(place: Path, kind: str) -> list[dict[str, Any]]:
    return [row for path in numbered(place / kind, "batch-*.jsonl.gz") for row in imported(path)]


def test_every_row_has_the_columns_and_types_of_its_table(place: Path) -> None:
    for kind, table in (("features", NEURON), ("activations", ACTIVATION)):
        found = rows(place, kind)
        assert found
        for row in found:
            check(row, table)


def test_records_name_each_other_and_an_account_that_is_there(place: Path) -> None:
    tables = {"release": RELEASE, "model": MODEL, "sourceset": SOURCE_SET, "source": SOURCE}
    found = {}
    for name, table in tables.items():
        (found[name],) = read_lines(place / f"{name}.jsonl")
        check(found[name], table)
        assert found[name]["creatorId"] == SEEDED_ACCOUNT
    assert found["sourceset"]["releaseName"] == found["release"]["name"]
    assert found["source"]["setName"] == found["sourceset"]["name"]
    assert found["source"]["modelId"] == found["sourceset"]["modelId"] == found["model"]["id"]
    assert found["source"]["id"] == place.name


def test_features_and_texts_join_on_model_source_and_index(place: Path, atlas: Atlas) -> None:
    features, texts = rows(place, "features"), rows(place, "activations")
    assert [row["index"] for row in features] == [str(i) for i in range(N_FEATURES)]
    known = {(row["modelId"], row["layer"], row["index"]) for row in features}
    assert {(row["modelId"], row["layer"], row["index"]) for row in texts} <= known
    assert len({row["id"] for row in texts}) == len(texts)
    for feature in atlas.dictionary("synthetic", "one"):
        own = [row for row in texts if row["index"] == str(feature.feature_index)]
        wanted = len(feature.top_examples) + len(feature.group("interval"))
        assert len(own) == wanted
        row = features[feature.feature_index]
        assert row["topkCosSimIndices"] == [one.feature_index for one in feature.neighbors]
        largest = feature.statistics.max_activation
        assert row["maxActApprox"] == (None if largest is None else pytest.approx(largest))


def test_texts_hold_their_own_extremes(place: Path) -> None:
    for row in rows(place, "activations"):
        assert len(row["tokens"]) == len(row["values"])
        assert row["maxValue"] == max(row["values"])
        assert row["minValue"] == min(row["values"])
        assert row["maxValueTokenIndex"] == int(np.argmax(row["values"]))
        assert row["values"][row["qualifyingTokenIndex"]] > 0


def test_nuls_are_gone_and_other_texts_come_back_as_they_were(place: Path, atlas: Atlas) -> None:
    texts = rows(place, "activations")
    assert not any("\0" in token for row in texts for token in row["tokens"])
    by_context = {}
    for feature in atlas.dictionary("synthetic", "one"):
        by_context |= {str(one.context.context_id): one.context for one in feature.examples}
    assert any("\0" in text for context in by_context.values() for text in context.tokens)
    for row in texts:
        context = by_context[row["dataIndex"]]
        assert row["tokens"] == [text.replace("\0", " ") for text in context.tokens[1:]]


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "\0", "\\\0", "a\\\\\0\\u0000\0", "\\"])
def test_a_token_that_spells_a_nul_out_survives_the_importer(text: str) -> None:
    line = to_line({"token": text}).replace("\\u0000", " ")
    assert json.loads(line) == {"token": text.replace("\0", " ")}


def test_no_batch_is_without_lines(place: Path, export: Export, atlas: Atlas) -> None:
    dead = [
        str(one.feature_index) for one in atlas.dictionary("synthetic", "one") if not one.examples
    ]
    assert dead
    alone = export("neuronpedia", "--sae", FIRST, "--features", ",".join(dead), name="dead")
    found = alone / "v1" / "synthetic" / "2-one"
    assert len(rows(found, "features")) == len(dead)
    assert not (found / "activations").exists() and not (found / "explanations").exists()
    assert not (place / "explanations").exists()


def test_an_unknown_logit_is_the_number_that_says_so(atlas: Atlas) -> None:
    from app.exchange.exporting.dashboard import logits
    from app.exchange.reader.records import Feature, LogitLens, Logits, TokenLogit

    empty = Logits((), ())
    named = Logits((TokenLogit(None, "a", None),), ())
    lens = LogitLens(empty, empty, named, None, None, None, None)
    whole = atlas.feature("synthetic", "one", 1)
    feature = Feature(**{**vars(whole), "logit_lens": lens})
    assert logits(feature, "adjusted", NO_LOGIT)["pos_values"] == [-10_000]
    assert logits(feature, "raw", NO_LOGIT)["pos_str"] == ["a"]


def test_several_dictionaries_stand_beside_each_other(export: Export) -> None:
    folder = export("neuronpedia", "--features", "0..3")
    places = sorted(path.name for path in (folder / "v1" / "synthetic").iterdir())
    assert places == ["1-two", "2-one"]
    with pytest.raises(AtlasError, match="Two dictionaries would both be synthetic/3-x"):
        export("neuronpedia", "--set", "x", "--layer", "3", name="other")


def test_labels_go_along_only_when_asked_for(export: Export, atlas: Atlas, tmp_path: Path) -> None:
    notebook = tmp_path / "notes.db"
    record = atlas.dictionary("synthetic", "one").record
    engine = open_notebook(str(notebook))
    with writing(engine) as connection:
        about = Subject("synthetic", "one", 2, record.weights_hash)
        add_label(connection, about, "Ada", "errors")
        add_label(connection, about, "", "exceptions", source="feature-atlas", explainer="some-lm")
        add_label(connection, Subject("synthetic", "one", 3, "other"), "Ada", "of other weights")
    engine.dispose()
    arguments = ("neuronpedia", "--sae", FIRST, "--notebook", str(notebook))
    without = export(*arguments, name="without") / "v1" / "synthetic" / "2-one"
    assert not (without / "explanations").exists()
    found = rows(
        export(*arguments, "--with-labels", name="with") / "v1" / "synthetic" / "2-one",
        "explanations",
    )
    for row in found:
        check(row, EXPLANATION)
        assert row["typeName"] is row["explanationModelName"] is None
    assert [(row["index"], row["description"], row["notes"]) for row in found] == [
        ("2", "errors", "by Ada"),
        ("2", "exceptions", "by some-lm"),
    ]
