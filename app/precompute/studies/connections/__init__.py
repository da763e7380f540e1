"""Connections: which features of dictionaries below cause a feature on its own examples.

`pairs.py` says which dictionaries lie below which, `chosen.py` on which examples, `attribution.py`
what each part of the activations below contributes, `removal.py` whether removing one really does
it, `study.py` puts them into pieces and prices them, `harvest.py` makes records of what they found.
"""

from app.precompute.studies import catalog
from app.precompute.studies.connections.harvest import harvest_connections
from app.precompute.studies.connections.study import (
    MEASURED,
    connection_pieces,
    price_connections,
)
from app.precompute.studies.study import Study

CONNECTIONS = Study(
    catalog.CONNECTIONS,
    "examples",
    MEASURED,
    price_connections,
    connection_pieces,
    harvest_connections,
)
