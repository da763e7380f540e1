"""What an export costs: bytes and processor time a feature, and memory at two sizes.

Builds invented atlases of two sizes (the same corpus; or takes one there is, `--atlas`, and exports
a quarter of it and all) and runs the real command for every format, each in a process of its own.
Memory that doesn't grow with the features is the claim: the last column is that of all features
divided by that of a quarter of them. Writes the section "Exchange" of RESULTS.md.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.commands.export_formats import FORMATS
from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.demo.synthetic import build_synthetic_atlas
from benchmarks.measure import Run, run_alone
from benchmarks.results import table, write_section

N_FEATURES = 2_000
D_VOCAB, N_CONTEXTS, CONTEXT_SIZE = 2_048, 1_024, 128
SHARE = 4
"""The smaller of the two sizes is this part of the larger one."""


@dataclass(frozen=True)
class Exported:
    """One run of one format."""

    n_features: int
    n_bytes: int
    run: Run


def main() -> None:
    """Builds or opens, measures, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, help="an atlas to measure instead of an invented one")
    parser.add_argument("--features", type=int, default=N_FEATURES)
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.atlas is None:
            path = build_synthetic_atlas(
                folder / "atlas.db", options.features, D_VOCAB, N_CONTEXTS, CONTEXT_SIZE,
                saes=("one",), scattered=0.3,
            )  # fmt: skip
        else:
            path = options.atlas
        body = section(path, folder)
    print(body)
    if options.atlas is None:
        packages = ("pyarrow", "numpy", "sqlalchemy")
        write_section("Exchange: `python -m benchmarks.bench_exchange`", body, packages=packages)


def section(path: Path, folder: Path) -> str:
    """The table of an atlas."""
    opened = open_atlas(path)
    with opened.connect() as connection:
        sae = list_saes(connection)[0]
    opened.close()
    n = sae.record.n_features
    rows = [_row(form, path, sae.address, n, folder) for form in FORMATS]
    head = (
        "format", "bytes a feature", "CPU s per 1,000 features",
        f"peak MB, {n // SHARE:,} features", f"peak MB, {n:,}", "ratio",
    )  # fmt: skip
    return "\n\n".join(
        [
            f"{n:,} features of an invented dictionary, contexts of {sae.corpus.context_size}; "
            "memory without mapped files, the interpreter included.",
            table(head, rows),
        ]
    )


def _row(form: str, path: Path, address: str, n: int, folder: Path) -> tuple[str, ...]:
    few, all_ = (_export(form, path, address, size, folder) for size in (n // SHARE, n))
    seconds = (all_.run.cost.cpu - few.run.cost.cpu) / (all_.n_features - few.n_features) * 1_000
    return (
        form,
        f"{all_.n_bytes / all_.n_features:,.0f}",
        f"{seconds:.1f}",
        f"{few.run.peak_anonymous / 1e6:,.0f}",
        f"{all_.run.peak_anonymous / 1e6:,.0f}",
        f"{all_.run.peak_anonymous / few.run.peak_anonymous:.2f}",
    )


def _export(form: str, path: Path, address: str, n: int, folder: Path) -> Exported:
    place = folder / f"{form}-{n}"
    program = "from app.cli import main; main()"
    run = run_alone(
        [sys.executable, "-c", program, "export", form, path, place, "--sae", address,
         "--features", f"0..{n - 1}"]
    )  # fmt: skip
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
    return Exported(n, size, run)


if __name__ == "__main__":
    main()
