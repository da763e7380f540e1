"""The formats that can be imported: one importer each. A new one is a line here."""

from app.errors import AtlasError, closest
from app.exchange.foreign import Importer
from app.exchange.importing.circuit_tracer import CIRCUIT_TRACER
from app.exchange.importing.neuronpedia import NEURONPEDIA
from app.exchange.importing.openai_viewer import OPENAI_VIEWER
from app.exchange.importing.saedashboard import SAEDASHBOARD

IMPORTERS: tuple[Importer, ...] = (SAEDASHBOARD, NEURONPEDIA, CIRCUIT_TRACER, OPENAI_VIEWER)


def importer_of(name: str) -> Importer:
    """The importer of a format.

    Raises:
        AtlasError: there is none.
    """
    by_name = {importer.name: importer for importer in IMPORTERS}
    if name not in by_name:
        raise AtlasError(f"Unknown format {name!r}: known are {closest(name, by_name)}.")
    return by_name[name]
