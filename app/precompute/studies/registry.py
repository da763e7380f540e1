"""Every study with how it is done, in the order of the catalog."""

from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.pruning.study import STUDY as PRUNING
from app.precompute.studies.study import Study

STUDIES: tuple[Study, ...] = (PRUNING,)


def asked_for(settings: PrecomputeSettings) -> list[Study]:
    """The studies that are not skipped."""
    return [study for study in STUDIES if study.listed.name not in settings.skip]
