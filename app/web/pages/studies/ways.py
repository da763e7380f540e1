"""The pages about one dictionary, as links between them: its features, its map, its studies.

Takes a dictionary; gives links to the pages that have something to show. Knows which studies a page
is made of, and nothing of what they found.
"""

from dataclasses import dataclass

from fastapi import HTTPException
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.maps import has_direction_map
from app.db.studies import studies_of
from app.web.pages.given import why_no_study
from app.web.pages.imported import files_of
from app.web.urls import map_url, sae_url, study_url


@dataclass(frozen=True)
class StudyPage:
    """A page that is made from studies."""

    name: str
    """last part of its address"""
    title: str
    """on links"""
    studies: frozenset[str]
    """it is there if one of these found something"""
    in_copy: bool = False
    """its first view is part of a static copy"""
    read_by_script: frozenset[str] = frozenset()
    """arguments that its own script reads there"""


STUDY_PAGES: tuple[StudyPage, ...] = (
    StudyPage("quality", "Quality", frozenset({"reconstruction", "variants"}), in_copy=True),
    StudyPage("norms", "Norms", frozenset({"norms"}), in_copy=True),
    StudyPage("pruning", "Pruning", frozenset({"pruning"}), True, frozenset({"threshold"})),
    StudyPage("geometry", "Geometry", frozenset({"geometry"}), in_copy=True),
    StudyPage("matches", "Matches", frozenset({"matches"})),
    StudyPage("connections", "Connections", frozenset({"connections"})),
    StudyPage("regions", "Regions", frozenset({"regions"})),
    StudyPage("effects", "Effects", frozenset({"effects"})),
    StudyPage("combined", "Combined tokens", frozenset({"combined"})),
)
"""In the order of the links."""


@dataclass(frozen=True)
class Way:
    """A link to a page about the dictionary."""

    title: str
    url: str
    here: bool
    """it is the page shown"""


def ways_of(connection: Connection, sae: Sae, here: str = "") -> list[Way]:
    """All of them; none where the list of features is the only one.

    Args:
        here: last part of the address of the page that is shown; "" for the list of features.
    """
    held = studies_of(connection, sae.sae_id)
    ways = [Way("Features", sae_url(sae), not here)]
    if has_direction_map(connection, sae.sae_id):
        ways.append(Way("Map", map_url(sae), here == "map"))
    ways += [
        Way(page.title, study_url(sae, page.name), here == page.name)
        for page in STUDY_PAGES
        if page.studies & held
    ]
    return ways if len(ways) > 1 else []


def pages_in_copy(connection: Connection, sae: Sae) -> list[StudyPage]:
    """The pages of a dictionary that a static copy holds."""
    held = studies_of(connection, sae.sae_id)
    return [page for page in STUDY_PAGES if page.in_copy and page.studies & held]


def refuse_import(sae: Sae) -> None:
    """404 of a page that no import has: it is made from a model and the dictionary's weights."""
    if sae.record.imported is not None:
        raise HTTPException(
            404,
            f"{sae.address} was read from {files_of(sae.record.imported)}, which don't hold what "
            "this page is made from.",
        )


def not_measured(sae: Sae, study: str) -> HTTPException:
    """404 of a page whose study was skipped, with what to do; of an import nothing was measured."""
    refuse_import(sae)
    if why := why_no_study(sae.record, study):
        return HTTPException(404, why)
    return HTTPException(
        404,
        f"This atlas was built without the study {study!r} of {sae.address}: build it again with "
        f"`feature-atlas precompute --replace` and without `--skip {study}`.",
    )
