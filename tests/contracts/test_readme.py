"""The README's Python runs as it stands there."""

import subprocess
import sys
from pathlib import Path

from app.demo.synthetic import build_synthetic_atlas

README = Path(__file__).resolve().parents[2] / "README.md"


def python_of(text: str) -> str:
    """The indented block that begins with an import of the reader."""
    lines = text.splitlines()
    first = lines.index("    from feature_atlas import Atlas")
    block = []
    for line in lines[first:]:
        if line and not line.startswith("    "):
            break
        block.append(line[4:])
    return "\n".join(block)


def test_the_reader_does_what_the_readme_says(tmp_path: Path) -> None:
    build_synthetic_atlas(
        tmp_path / "atlas.db", n_features=12, model="pystdlib-3m", saes=("resid-2-4k",)
    )
    root = str(README.parent)
    done = subprocess.run(
        [sys.executable, "-c", python_of(README.read_text("utf-8"))],
        capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": root},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Fires on ")
    assert len(done.stdout.splitlines()) > 8
