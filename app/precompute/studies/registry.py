"""Every study with how it is done, in the order of the catalog."""

from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.combined.study import STUDY as COMBINED
from app.precompute.studies.connections.stage import STUDY as CONNECTIONS
from app.precompute.studies.effects.study import STUDY as EFFECTS
from app.precompute.studies.geometry.study import STUDY as GEOMETRY
from app.precompute.studies.matches.study import STUDY as MATCHES
from app.precompute.studies.norms.study import STUDY as NORMS
from app.precompute.studies.pruning.study import STUDY as PRUNING
from app.precompute.studies.reconstruction.study import STUDY as RECONSTRUCTION
from app.precompute.studies.regions.study import STUDY as REGIONS
from app.precompute.studies.study import Study
from app.precompute.studies.variants.study import STUDY as VARIANTS

STUDIES: tuple[Study, ...] = (
    RECONSTRUCTION,
    NORMS,
    VARIANTS,
    PRUNING,
    GEOMETRY,
    MATCHES,
    CONNECTIONS,
    REGIONS,
    EFFECTS,
    COMBINED,
)


def asked_for(settings: PrecomputeSettings) -> list[Study]:
    """The studies that are not skipped."""
    return [study for study in STUDIES if study.listed.name not in settings.skip]
