"""How the memory and the time of the study of geometry grow with a dictionary.

Each kind of piece on random rows in a process of its own; the memory is what it took beyond a
process that holds the same rows and does nothing. `--sizes 131072x4096` takes other sizes. Writes
the section "Geometry" of RESULTS.md.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.measure import run_alone
from benchmarks.results import table, write_section

SIZES = ("8192x512", "32768x512", "131072x512")
PIECES = {"features": "1,024 features among all", "pairs": "1,024 columns of the Gram matrix",
          "random": "4,096 random directions among as many as features"}  # fmt: skip


def main() -> None:
    """Runs the pieces, prints and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--pieces", nargs="+", default=list(PIECES))
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        d_sae, d = map(int, size.split("x"))
        rest = _peak(d_sae, d, "nothing")[0]
        for piece in options.pieces:
            peak, seconds = _peak(d_sae, d, piece)
            rows.append(
                [
                    f"{d_sae:,} × {d:,}", PIECES[piece], f"{seconds:.1f}",
                    f"{max(peak - rest, 0) / 2**20:,.0f}", f"{4 * d_sae * d / 2**20:,.0f}",
                    f"{4 * d_sae**2 / 2**20:,.0f}",
                ]
            )  # fmt: skip
    head = ["d_sae × d", "piece", "CPU s", "peak MiB", "rows MiB", "full matrix MiB"]
    body = (
        "Peak memory of a piece beyond the process that holds the decoder rows; beside it those "
        "rows, and the matrix of all cosines, which is never made.\n\n" + table(head, rows)
    )
    print(body)
    if not options.dry:
        write_section("Geometry: `python -m benchmarks.bench_geometry`", body)


def _peak(d_sae: int, d: int, what: str) -> tuple[int, float]:
    """(peak bytes of anonymous memory, CPU seconds of the work)."""
    command = [sys.executable, "-m", "benchmarks.run_geometry", str(d_sae), str(d), what]
    found = run_alone(command, cwd=Path(__file__).parents[1])
    return found.peak_anonymous, float(found.output)


if __name__ == "__main__":
    main()
