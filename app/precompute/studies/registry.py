"""Every study with how it is done, in the order of the catalog."""

from app.precompute.settings import PrecomputeSettings
from app.precompute.studies.combined import stage as combined
from app.precompute.studies.effects import stage as effects
from app.precompute.studies.regions import stage as regions
from app.precompute.studies.study import Study

STUDIES: tuple[Study, ...] = (regions.STUDY, effects.STUDY, combined.STUDY)


def asked_for(settings: PrecomputeSettings) -> list[Study]:
    """The studies that are not skipped."""
    return [study for study in STUDIES if study.listed.name not in settings.skip]
