"""What an import costs: bytes a feature before and after, processor time, and memory at two sizes.

Writes invented files of every format (`foreign_files`) for a quarter of the features and for all,
and runs the real command on both, each in a process of its own. Memory that hardly grows with the
features is the claim: the last column is that of all features divided by that of a quarter of them.
Writes the section "Import" of RESULTS.md.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.foreign_files import (
    write_circuit_tracer,
    write_neuronpedia,
    write_openai_viewer,
    write_saedashboard,
)
from benchmarks.measure import Run, run_alone
from benchmarks.results import table, write_section

N_FEATURES = 2_000
SHARE = 4
WRITERS: dict[str, Callable[[Path, int], None]] = {
    "saedashboard": write_saedashboard,
    "neuronpedia": write_neuronpedia,
    "circuit-tracer": write_circuit_tracer,
    "openai-viewer": write_openai_viewer,
}


@dataclass(frozen=True)
class Imported:
    """One run of one format."""

    n_features: int
    n_bytes_read: int
    n_bytes: int
    run: Run


def main() -> None:
    """Measures, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=N_FEATURES)
    parser.add_argument("--format", choices=list(WRITERS), action="append")
    options = parser.parse_args()
    formats = options.format or list(WRITERS)
    with TemporaryDirectory() as scratch:
        body = section(formats, options.features, Path(scratch))
    print(body)
    if options.features == N_FEATURES and not options.format:
        write_section(
            "Import: `python -m benchmarks.bench_import`", body, packages=("numpy", "sqlalchemy")
        )


def section(formats: list[str], n: int, folder: Path) -> str:
    """The table of some formats."""
    rows = [_row(form, n, folder) for form in formats]
    head = (
        "format", "bytes a feature there", "in the atlas", "CPU s per 1,000 features",
        f"peak MB, {n // SHARE:,} features", f"peak MB, {n:,}", "ratio",
    )  # fmt: skip
    said = (
        f"{n:,} features of invented files. SAEDashboard's have 45 texts of 127 tokens a feature "
        "out of as many prompts as there are features; Neuronpedia's repeat 300 texts, the others "
        "9,000 of words that hardly recur. "
        "Memory without mapped files, the interpreter included."
    )
    return f"{said}\n\n{table(head, rows)}"


def _row(form: str, n: int, folder: Path) -> tuple[str, ...]:
    small, large = (_import(form, size, folder) for size in (n // SHARE, n))
    peaks = [one.run.peak_anonymous / 1e6 for one in (small, large)]
    return (
        form,
        f"{large.n_bytes_read / n:,.0f}",
        f"{large.n_bytes / n:,.0f}",
        f"{1000 * (large.run.cost.cpu - small.run.cost.cpu) / (n - n // SHARE):.1f}",
        *(f"{peak:.0f}" for peak in peaks),
        f"{peaks[1] / peaks[0]:.2f}",
    )


def _import(form: str, n: int, folder: Path) -> Imported:
    files, atlas = folder / "files", folder / "atlas.db"
    shutil.rmtree(files, ignore_errors=True)
    atlas.unlink(missing_ok=True)
    WRITERS[form](files, n)
    read = sum(file.stat().st_size for file in files.rglob("*") if file.is_file())
    command = ["-c", "from app.cli import main; main()", "import", form, str(files), str(atlas)]
    run = run_alone([sys.executable, *command, "--no-labels"])
    return Imported(n, read, atlas.stat().st_size, run)


if __name__ == "__main__":
    main()
