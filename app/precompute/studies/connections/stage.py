"""The study of connections as the job does it."""

from app.precompute.studies.catalog import listed
from app.precompute.studies.connections.harvest import harvest_connections
from app.precompute.studies.connections.study import (
    MEASURED,
    STAGE,
    connection_pieces,
    price_connections,
)
from app.precompute.studies.study import Study

STUDY = Study(
    listed(STAGE),
    "examples",
    MEASURED,
    price_connections,
    connection_pieces,
    harvest_connections,
)
