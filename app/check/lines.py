"""Checks as lines of text: one for each, what is wrong below it.

Takes checks, gives lines. Knows no check by name.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.db.checks.check import Check

SHOWN = 5
"""Problems of a check that are listed."""


def lines_of(check: Check) -> Iterator[str]:
    """`ok`, `wrong` with the first problems, or `skipped` with the reason."""
    if check.skipped:
        yield f"skipped  {check.name}: {check.skipped}"
    elif not check.problems:
        yield f"ok       {check.name}"
    else:
        n = len(check.problems)
        yield f"wrong    {check.name}: {n:,} problem{'s' if n > 1 else ''}"
        for problem in check.problems[:SHOWN]:
            yield f"         {problem}"
        if n > SHOWN:
            yield f"         and {n - SHOWN:,} more"


def verdict(atlas: Path, checks: Sequence[Check], seed: int) -> str:
    """The last line: in order or not, how much was looked at, and how to draw the same again."""
    n_wrong = sum(bool(check.problems) for check in checks)
    n_skipped = sum(bool(check.skipped) for check in checks)
    done = len(checks) - n_skipped
    passed = f"{done - n_wrong} of {done} checks passed"
    skipped = f", {n_skipped} skipped" if n_skipped else ""
    state = "is not in order" if n_wrong else "is in order"
    return f"{atlas} {state}: {passed}{skipped} (--seed {seed})."
