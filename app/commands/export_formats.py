"""`feature-atlas export FORMAT`: an atlas as other tools' files, one command for each format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.commands.opened import opened_notebook
from app.commands.options import AtlasPath, NotebookPlace
from app.commands.running import needs

if TYPE_CHECKING:
    from app.exchange.exporting.chosen import Part
    from app.exchange.exporting.folder import OutputFolder
    from app.exchange.exporting.labels import Explanations
    from app.exchange.reader.atlas import Atlas

Out = Annotated[Path, typer.Argument(help="A folder: new, empty or of an earlier export.")]
Saes = Annotated[
    list[str] | None, typer.Option("--sae", help="Only this dictionary.", metavar="MODEL/SAE")
]
ManySaes = Annotated[
    list[str] | None,
    typer.Option("--sae", help="Only this dictionary (repeatable).", metavar="MODEL/SAE"),
]
Features = Annotated[str, typer.Option(help="all, a range (0..99) or numbers (1,5,7).")]
ModelId = Annotated[str, typer.Option(help="What the model is called there (default: as here).")]
SetName = Annotated[
    str, typer.Option("--set", help="What the dictionary is called there (default: as here).")
]
Layer = Annotated[
    int | None, typer.Option(min=0, help="The model's block (default: the one the hook names).")
]
Suffix = Annotated[
    str, typer.Option(help="Tells dictionaries of one layer and set apart: …__SUFFIX.")
]
Logits = Annotated[
    str,
    typer.Option(
        metavar="adjusted|raw",
        help="Which logits: with the final norm and centred, or W_dec · W_U (no histogram).",
    ),
]
WithLabels = Annotated[
    bool,
    typer.Option("--with-labels", help="With the notebook's labels, and who wrote them."),
]


def export_saedashboard(
    atlas: AtlasPath,
    output: Out,
    sae: Saes = None,
    features: Features = "all",
    model_id: ModelId = "",
    set_name: SetName = "",
    layer: Layer = None,
    suffix: Suffix = "",
    logits: Logits = "adjusted",
) -> None:
    """Write one dictionary as SAEDashboard batches."""
    from app.exchange.exporting.chosen import choose_one
    from app.exchange.exporting.naming import Names
    from app.exchange.exporting.saedashboard import export_saedashboard as write
    from app.exchange.exporting.saedashboard import what

    scale = _scale(logits)
    with _opened(atlas) as opened:
        part = choose_one(opened, sae or [], features)
        with _folder(output, what(part)) as folder:
            write(part, folder, Names(model_id, set_name, layer, suffix), scale)


def export_neuronpedia(
    atlas: AtlasPath,
    output: Out,
    sae: ManySaes = None,
    features: Features = "all",
    model_id: ModelId = "",
    set_name: SetName = "",
    layer: Layer = None,
    suffix: Suffix = "",
    logits: Logits = "adjusted",
    release: Annotated[
        str, typer.Option(help="Name of the release (default: model and set).")
    ] = "",
    creator: Annotated[str, typer.Option(help="Who made it, for its pages.")] = "Feature Atlas",
    creator_id: Annotated[
        str, typer.Option(help="Their account there (default: the one its own seed makes).")
    ] = "",
    with_labels: WithLabels = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write dictionaries in Neuronpedia's layout, for its importer.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    from app.exchange.exporting.chosen import choose
    from app.exchange.exporting.naming import Names
    from app.exchange.exporting.neuronpedia import DEFAULT_CREATOR, Release, lost, what
    from app.exchange.exporting.neuronpedia import export_neuronpedia as write

    scale = _scale(logits)
    with _opened(atlas) as opened:
        parts = choose(opened, sae or [], features)
        labels = _labels(atlas, notebook, parts) if with_labels else {}
        with _folder(output, what(parts), lost(parts)) as folder:
            write(
                parts,
                folder,
                Names(model_id, set_name, layer, suffix),
                scale,
                Release(release, creator, creator_id or DEFAULT_CREATOR),
                labels,
            )


def export_circuit_tracer(
    atlas: AtlasPath,
    output: Out,
    sae: ManySaes = None,
    features: Features = "all",
    model_id: ModelId = "",
    set_name: SetName = "",
    layer: Layer = None,
    logits: Logits = "adjusted",
) -> None:
    """Write the features of dictionaries as circuit-tracer's graphs read them, a file each."""
    from app.exchange.exporting.chosen import choose
    from app.exchange.exporting.circuit_tracer import export_circuit_tracer as write
    from app.exchange.exporting.circuit_tracer import lost, what
    from app.exchange.exporting.naming import Names

    scale = _scale(logits)
    with _opened(atlas) as opened:
        parts = choose(opened, sae or [], features)
        with _folder(output, what(parts), lost(parts)) as folder:
            write(parts, folder, Names(model_id, set_name, layer), scale)


def export_jsonl(
    atlas: AtlasPath,
    output: Out,
    sae: ManySaes = None,
    features: Features = "all",
    with_labels: WithLabels = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write features, examples, tokens and logits as tables of JSON lines.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    from app.exchange.exporting import jsonl

    _tables(jsonl.export_jsonl, jsonl.what, atlas, output, sae, features, with_labels, notebook)


def export_parquet(
    atlas: AtlasPath,
    output: Out,
    sae: ManySaes = None,
    features: Features = "all",
    with_labels: WithLabels = False,
    notebook: NotebookPlace = "",
) -> None:
    """Write features, examples, tokens and logits as Parquet tables.

    Nothing of what people wrote goes with it unless it is asked for.
    """
    parquet = needs("parquet", lambda: import_module("app.exchange.exporting.parquet"))
    write, what = parquet.export_parquet, parquet.what
    _tables(write, what, atlas, output, sae, features, with_labels, notebook)


def _tables(
    write: Callable[..., None],
    what: Callable[..., str],
    atlas: Path,
    output: Path,
    sae: list[str] | None,
    features: str,
    with_labels: bool,
    notebook: str,
) -> None:
    from app.exchange.exporting.chosen import choose

    with _opened(atlas) as opened:
        parts = choose(opened, sae or [], features)
        labels = _labels(atlas, notebook, parts) if with_labels else None
        with _folder(output, what(parts)) as folder:
            write(parts, folder, labels)


@contextmanager
def _opened(path: Path) -> Iterator["Atlas"]:
    from app.exchange.reader.atlas import Atlas

    with Atlas.open(path) as atlas:
        yield atlas


@contextmanager
def _folder(place: Path, what: str, lost: str = "") -> Iterator["OutputFolder"]:
    """The folder to write into; says how much it was, and what had no place there, when it stands
    in its place."""
    from app.exchange.exporting.folder import OutputFolder

    with OutputFolder(place, what) as folder:
        yield folder
    many = "file" if folder.n_files == 1 else "files"
    typer.echo(f"{folder.n_files:,} {many}, {folder.n_bytes / 1e6:.1f} MB: {place}", err=True)
    if lost:
        typer.echo(lost, err=True)


def _labels(atlas: Path, notebook: str, parts: "list[Part]") -> "dict[str, Explanations]":
    from app.exchange.exporting.labels import read_explanations

    with opened_notebook(atlas, notebook) as engine:
        return read_explanations(engine, parts)


def _scale(word: str) -> Literal["adjusted", "raw"]:
    if word == "adjusted" or word == "raw":
        return word
    raise typer.BadParameter("--logits is adjusted or raw.")


FORMATS: dict[str, Callable[..., None]] = {
    "saedashboard": export_saedashboard,
    "neuronpedia": export_neuronpedia,
    "circuit-tracer": export_circuit_tracer,
    "parquet": export_parquet,
    "jsonl": export_jsonl,
}
"""The commands, by the name of their format."""
