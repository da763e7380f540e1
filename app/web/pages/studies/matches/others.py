"""The other dictionaries of a model, as far as one can be compared with them, and why not.

Takes a dictionary; gives what each comparison found in a line, or the reason there is none. Knows
no template.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.directions import directions_problem, has_directions
from app.db.studies import get_study, others_of
from app.db.study_records.matches import Matches


@dataclass(frozen=True)
class Other:
    """One other dictionary of the model."""

    sae: Sae
    found: Matches | None
    """of the features of this one among those of the other; None where they weren't compared"""
    back: Matches | None
    """the other way round"""
    problem: str
    """why they were not compared, a sentence; empty where they were"""


def other_dictionaries(connection: Connection, sae: Sae) -> list[Other]:
    """Those of the same model, compared ones first, then in the order they were added."""
    compared = set(others_of(connection, Matches.STUDY, sae.sae_id))
    others = [
        each
        for each in list_saes(connection)
        if each.model_id == sae.model_id and each.sae_id != sae.sae_id
    ]
    found = [
        Other(
            other,
            get_study(connection, Matches, sae.sae_id, other.sae_id),
            get_study(connection, Matches, other.sae_id, sae.sae_id),
            "",
        )
        if other.sae_id in compared
        else Other(other, None, None, _problem(connection, sae, other))
        for other in others
    ]
    return sorted(found, key=lambda each: each.found is None)


def _problem(connection: Connection, sae: Sae, other: Sae) -> str:
    """Why two dictionaries have no record together."""
    own, theirs = sae.record, other.record
    for each in (theirs, own):
        if each.imported is not None:
            return (
                f"the {each.imported.title} files that {each.sae} was read from hold no directions"
            )
    if own.place != theirs.place:
        writes = f" and writes {theirs.hook_name_out}" if theirs.hook_name_out else ""
        return f"reads {theirs.hook_name}{writes}: directions of different hooks can’t be compared"
    if own.output_width != theirs.output_width:
        return f"has {theirs.output_width:,} numbers a direction, this one {own.output_width:,}"
    for each in (other, sae):
        problem = directions_problem(connection, each.sae_id)
        if problem:
            return problem.rstrip(".")
        if not has_directions(connection, each.sae_id):
            return f"the decoder rows of {each.record.sae} are not kept (--decoder-megabytes)"
    return "not compared: built with --skip matches, or before this study was there"
