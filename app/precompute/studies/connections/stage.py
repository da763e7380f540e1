"""The study of connections as the job does it."""

from app.precompute.studies.catalog import CONNECTIONS
from app.precompute.studies.connections.harvest import harvest_connections
from app.precompute.studies.connections.study import (
    MEASURED,
    connection_pieces,
    price_connections,
)
from app.precompute.studies.study import Study

STUDY = Study(
    CONNECTIONS,
    "examples",
    MEASURED,
    price_connections,
    connection_pieces,
    harvest_connections,
)
