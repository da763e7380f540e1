"""`benchmarks/RESULTS.md`: one section for each benchmark, replaced whenever that benchmark runs.

Takes a title and Markdown; leaves every other section as it stands. Each section says when, on what
and from which commit it was measured, because they are run at different times. Knows no benchmark.
"""

import datetime
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Results

Every section is written by the command in its title and replaced when that is run again. Single
times on a shared machine mean little: read the ratios.
"""
_PACKAGES = ("torch", "numpy", "transformers")
_SECTION = re.compile(r"^## ", re.MULTILINE)


def write_section(
    title: str,
    body: str,
    path: Path = RESULTS,
    packages: Sequence[str] = _PACKAGES,
    device: str | None = None,
) -> None:
    """Puts `## title`, where and when, and `body` in place of the section of that title.

    A new title goes to the end. `packages` are those whose installed versions are named, `device`
    is named where something else than the processor did the work.
    """
    text = path.read_text("utf-8") if path.exists() else HEAD
    section = f"{title}\n\n{provenance(packages, device)}\n\n{body.strip()}\n"
    path.write_text(replaced(text, title, section), "utf-8")


def replaced(text: str, title: str, section: str) -> str:
    """`text` with the section of that title replaced, or added at the end."""
    head, *sections = _SECTION.split(text)
    sections = [found.rstrip() + "\n" for found in sections]
    for index, found in enumerate(sections):
        if found.splitlines()[0].strip() == title:
            sections[index] = section
            break
    else:
        sections.append(section)
    return "\n".join([head.rstrip() + "\n", *(f"## {found}" for found in sections)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right."""
    rule = f"|---|{'---:|' * (len(head) - 1)}"
    first, *others = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([first, rule, *others])


def provenance(packages: Sequence[str] = _PACKAGES, device: str | None = None) -> str:
    """One sentence: date, machine, versions, commit."""
    versions = ", ".join(f"{name} {found}" for name in packages if (found := _version(name)))
    return (
        f"{datetime.date.today().isoformat()}, {device + ', ' if device else ''}{_machine()}, "
        f"Python {platform.python_version()}, {versions}, {_commit()}."
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _machine() -> str:
    n_cores = len(os.sched_getaffinity(0))
    cores = "1 core" if n_cores == 1 else f"{n_cores} cores"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return f"{cores} of {' '.join(value.split())}"
    return f"{cores} ({platform.machine()})"


def _commit() -> str:
    """The commit checked out; what is not committed in the code is said."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(RESULTS.parent), *arguments], capture_output=True, text=True
        ).stdout.strip()

    commit = git("rev-parse", "--short=12", "HEAD")
    if not commit:
        return "no commit known"
    changed = git("status", "--porcelain", "--", "../app", ".", ":(exclude)RESULTS.md")
    return f"commit {commit}{' and changes after it' if changed else ''}"
