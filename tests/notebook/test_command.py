"""`feature-atlas notebook export | import` as a person types them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.demo.synthetic import build_synthetic_atlas

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("command") / "atlas.db"
    return build_synthetic_atlas(path, n_features=5, saes=("one",))


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "notebook", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_explanations_come_in_and_the_notebook_goes_out(atlas: Path, tmp_path: Path) -> None:
    lines = tmp_path / "autointerp.jsonl"
    explained = [{"feature_index": i, "text": f"explanation {i}", "score": 0.5} for i in range(3)]
    lines.write_text("".join(json.dumps(line) + "\n" for line in explained))
    done = _run("import", str(atlas), str(lines), "--sae", "synthetic/one")
    assert (done.returncode, done.stdout) == (0, "3 new, 0 newer than here, 0 as here.\n")
    assert atlas.with_suffix(".notebook.db").exists()
    again = _run("import", str(atlas), str(lines), "--sae", "synthetic/one")
    assert again.stdout == "0 new, 0 newer than here, 3 as here.\n"
    out = tmp_path / "out.jsonl"
    assert _run("export", str(atlas), str(out)).returncode == 0
    exported = [json.loads(line) for line in out.read_text().splitlines()]
    labels = [one for one in exported if one["kind"] == "label"]
    assert {one["source"] for one in labels} == {"autointerp"}
    other = str(tmp_path / "other.db")
    assert _run("import", str(atlas), str(out), "--notebook", other).returncode == 0
    second = tmp_path / "second.jsonl"
    assert _run("export", str(atlas), str(second), "--notebook", other).returncode == 0
    assert second.read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"feature_index": 9, "text": "a"}', "Line 1 can't be imported: synthetic/one has no"),
        ("nothing", "Line 1 can't be imported: it is no JSON"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    atlas: Path, tmp_path: Path, line: str, sentence: str
) -> None:
    lines = tmp_path / "wrong.jsonl"
    lines.write_text(line + "\n")
    place = tmp_path / "none.db"
    done = _run(
        "import", str(atlas), str(lines), "--sae", "synthetic/one", "--notebook", str(place)
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {sentence}") and done.stderr.count("\n") == 1
