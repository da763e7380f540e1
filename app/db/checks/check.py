"""Whether the content of an atlas agrees with itself.

A check has a name, which says what holds where it is passed, and finds contradictions, a sentence
each. `check_atlas` runs before every publication, `run_checks(connection, THOROUGH)` when a user
asks. Knows what must hold between tables; recomputes nothing from events or the model.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.db.checks.combined import combined_problems
from app.db.checks.connections import connection_problems
from app.db.checks.contents import contents_problems, count_problems
from app.db.checks.effects import effect_problems
from app.db.checks.examples import ablation_problems, example_problems, group_problems
from app.db.checks.geometry import geometry_problems, match_problems
from app.db.checks.pruning import pruning_problems
from app.db.checks.rows import histogram_problems, row_problems
from app.db.checks.search import search_problems
from app.db.checks.tables import file_problems, key_problems, schema_problems
from app.db.checks.token_figures import token_figure_problems
from app.db.checks.tokens import beside_problems, ranking_problems

UNREADABLE = (
    *(ValueError, IndexError, KeyError, TypeError, OverflowError, RuntimeError, StopIteration),
    *(zlib.error, struct.error, SQLAlchemyError),
)
"""What reading a damaged table or blob may raise."""

Look = Callable[[Connection], Iterator[str]]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    """what holds where it is passed"""
    problems: list[str] = field(default_factory=list)
    """what does not, in the order of the atlas"""
    skipped: str = ""
    """why it could not be looked at, if it could not"""


PUBLICATION: tuple[tuple[str, Look], ...] = (
    ("every feature has its rows", row_problems),
    ("activation histograms sum to n_active", histogram_problems),
    ("examples are in order and lie in stored contexts", example_problems),
    ("search knows the stored contexts and examples", search_problems),
)
"""What no atlas is published without."""

THOROUGH: tuple[tuple[str, Look], ...] = (
    ("SQLite finds the file whole", file_problems),
    ("the tables are those of the schema", schema_problems),
    ("every row belongs to something that is there", key_problems),
    *PUBLICATION[:1],
    ("every feature has what its dictionary says", contents_problems),
    *PUBLICATION[1:2],
    ("other counts of features agree", count_problems),
    *PUBLICATION[2:3],
    ("groups of examples have the sizes and bands they should", group_problems),
    ("ablated text belongs to its examples", ablation_problems),
    ("rankings of tokens are in order", ranking_problems),
    *PUBLICATION[3:],
    ("maps and decoder directions are whole", beside_problems),
    ("figures of single tokens agree", token_figure_problems),
    ("connections sum to one and lead to features", connection_problems),
    ("prunings agree with the features", pruning_problems),
    ("nearest directions are the nearest", geometry_problems),
    ("matches of dictionaries agree both ways", match_problems),
    ("effects of features lie at their examples", effect_problems),
    ("pairs of tokens lie at their examples", combined_problems),
)
"""All that can be told from the atlas and its decoder files."""


def check_atlas(connection: Connection) -> list[str]:
    """Every contradiction that forbids publication as one sentence; empty when all is well."""
    return [problem for check in run_checks(connection, PUBLICATION) for problem in check.problems]


def run_checks(connection: Connection, checks: Sequence[tuple[str, Look]]) -> Iterator[Check]:
    """Each check as it is done; what can't be read is a problem of the check that reads it."""
    for name, look in checks:
        problems: list[str] = []
        try:
            problems.extend(look(connection))
        except UNREADABLE as error:
            problems.append(f"it can't be read to the end: {one_line(error)}.")
        yield Check(name, problems)


def one_line(error: Exception) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    cause = getattr(error, "orig", None) or error
    said = str(cause).strip().splitlines()
    return said[0].rstrip(".") if said else type(error).__name__
