"""circuit-tracer's features: the layers in a folder, each a dictionary.

Takes a path, gives `ForeignSource`s. The model's and the hooks' names stand in the `config.yaml` of
a set of transcoders, which often lies beside the features. How the files are laid out,
`circuit_tracer_files` knows; what an object says, `circuit_tracer_feature`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.errors import AtlasError
from app.exchange.foreign import ForeignDictionary, ForeignFeature, ForeignSource, Importer
from app.exchange.importing.circuit_tracer_feature import ABSENT, APPROXIMATE, feature_of
from app.exchange.importing.circuit_tracer_files import (
    INDEX_NAMES,
    Layer,
    packed_layers,
    single_files,
)
from app.exchange.importing.text_files import folders_at, read_whole

LAYOUT = "features/ with index.json.gz and its layer files, or with one {number}.json a feature"
_SETTING = re.compile(r"""([\w-]+)\s*:\s*["']?([^"'#\[\]{}]*?)["']?\s*(?:#.*)?""")


def open_circuit_tracer(path: Path) -> Sequence[ForeignSource]:
    """The dictionaries at a path, by layer.

    Raises:
        AtlasError: there are none, or an index or a first feature can't be read.
    """
    for folder in folders_at(path):
        if layers := _layers(folder):
            return _sources(folder, layers)
    raise AtlasError(f"{path} holds no circuit-tracer features, expected {LAYOUT}.")


def _layers(folder: Path) -> list[Layer]:
    for name in INDEX_NAMES:
        if (folder / name).exists():
            return packed_layers(folder / name)
    return single_files(folder)


def _sources(folder: Path, layers: Sequence[Layer]) -> list[ForeignSource]:
    settings = _settings(folder)
    named = [_names(folder, layer, settings) for layer in layers]
    twice = {name for name, n in Counter(named).items() if n > 1}
    found = []
    for layer, (model, sae) in zip(layers, named, strict=True):
        name = f"{sae}-layer-{layer.number}" if (model, sae) in twice else sae
        found.append(_source(layer, model, name, settings))
    return found


def _source(layer: Layer, model: str, sae: str, settings: Mapping[str, str]) -> ForeignSource:
    def features() -> Iterator[ForeignFeature]:
        for index, entry in layer.read():
            yield feature_of(index, entry)

    read = _hook(layer.number, settings.get("feature_input_hook", ""))
    written = _hook(layer.number, settings.get("feature_output_hook", ""))
    dictionary = ForeignDictionary(
        model=model,
        sae=sae,
        hook_name=read,
        hook_name_out=None if read is None or written == read else written,
        d_sae=layer.n_features,
        absent=ABSENT,
        approximate=APPROXIMATE,
        source={**settings, **({} if layer.number is None else {"layer": layer.number})},
    )
    return ForeignSource(dictionary, features)


def _names(folder: Path, layer: Layer, settings: Mapping[str, str]) -> tuple[str, str]:
    """Model and dictionary, as far as the files name them, else by folder and layer."""
    first = next(layer.read(), None)
    said = (first[1].text("transcoder_id") if first else None) or ""
    model, _, source = said.rpartition("/")
    own_model = model if re.match(r"\d+-", source) else ""
    number = "" if layer.number is None else f"layer-{layer.number}"
    scan = re.split(r"//|@", settings.get("scan", ""))[0].rpartition("/")[2]
    in_folder = (folder.parent if folder.name == "features" else folder).resolve().name
    return (
        own_model or settings.get("model_name", "") or in_folder or "model",
        (source if own_model else "" if said.isdecimal() else said)
        or "-".join(part for part in (scan, number) if part)
        or in_folder,
    )


def _hook(layer: int | None, name: str) -> str | None:
    """TransformerLens' name, where the settings have it without the block."""
    if layer is None or not re.fullmatch(r"(?:\w+\.)*hook_\w+", name):
        return None
    return f"blocks.{layer}.{name}"


def _settings(folder: Path) -> dict[str, str]:
    """The lines `name: value` of a config.yaml beside the features or one folder up."""
    for place in (folder, folder.parent):
        path = place / "config.yaml"
        if path.exists():
            lines = read_whole(path).decode("utf-8", "replace").splitlines()
            found = [m for m in map(_SETTING.fullmatch, lines) if m]
            return {m[1]: m[2].strip() for m in found if m[2].strip()}
    return {}


CIRCUIT_TRACER = Importer("circuit-tracer", LAYOUT, open_circuit_tracer, "circuit-tracer")
