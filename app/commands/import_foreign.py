"""`feature-atlas import saedashboard|neuronpedia|…`: one command for each importer.

All take the same options. Knows no file of any format.
"""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import NotebookPlace
from app.precompute.drivers.interruption import Stop

_FORMATS = {
    "saedashboard": "A folder of SAEDashboard batches.",
    "neuronpedia": "Neuronpedia's exports, with their explanations.",
    "circuit-tracer": "The features circuit-tracer shows beside its graphs.",
    "openai-viewer": "The files of OpenAI's viewer of sparse autoencoders.",
}


def register(group: typer.Typer) -> None:
    """Adds a command for each format."""
    for name, help in _FORMATS.items():
        group.command(name, help=f"{help} {_MORE}")(_command(name))


_MORE = (
    "What the files don't hold is absent, and pages say so. Explanations become labels in the "
    "notebook beside the atlas."
)


def _command(format: str):
    def import_foreign(
        source: Annotated[Path, typer.Argument(help="The files, or their folder.")],
        atlas: Annotated[Path, typer.Argument(help="The atlas to write or add to.")],
        name: Annotated[
            list[str] | None,
            typer.Option(help="Address of each dictionary, in their order; else as called there.",
                         metavar="MODEL/SAE"),
        ] = None,
        tokenizer: Annotated[
            Path | None,
            typer.Option(help="Folder with the model's tokenizer.json: for true token ids.",
                         metavar="PATH"),
        ] = None,
        replace: Annotated[bool, typer.Option(help="Import again what the atlas holds.")] = False,
        labels: Annotated[
            bool, typer.Option(help="Write explanations into the notebook, as labels.")
        ] = True,
        notebook: NotebookPlace = "",
    ) -> None:  # fmt: skip
        from app.exchange.building.run import Order, import_files
        from app.settings import Settings

        place = Settings(atlas=atlas, notebook=notebook).notebook_place if labels else None
        order = Order(format, source, atlas, name or (), tokenizer, replace, place)
        with Stop().listening():
            for line in import_files(order):
                typer.echo(line)

    return import_foreign
