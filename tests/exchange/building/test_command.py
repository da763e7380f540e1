"""`feature-atlas import` from the command line: what it says, writes and refuses."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.db.tokens import get_tokens
from app.demo.build import FOLDER
from app.errors import AtlasError
from app.exchange.importing.formats import IMPORTERS
from app.notebook.database import open_notebook
from app.notebook.labels import labels_of_dictionary
from benchmarks.foreign_files import (
    write_circuit_tracer,
    write_neuronpedia,
    write_openai_viewer,
    write_saedashboard,
)
from tests.exchange.saedashboard_batches import write_batches

ROOT = Path(__file__).resolve().parents[3]


def _run(*words: object) -> str:
    done = CliRunner().invoke(cli, list(map(str, words)))
    if isinstance(done.exception, AtlasError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return write_batches(tmp_path / "gpt2", [0, 1, 2])


def test_every_importer_is_a_command() -> None:
    said = _run("import", "--help")
    assert all(importer.name in said for importer in IMPORTERS)


@pytest.mark.parametrize(
    ("form", "write"),
    [
        ("saedashboard", write_saedashboard), ("neuronpedia", write_neuronpedia),
        ("circuit-tracer", write_circuit_tracer), ("openai-viewer", write_openai_viewer),
    ],
)  # fmt: skip
def test_files_of_every_format_become_an_atlas_in_order(tmp_path: Path, form: str, write) -> None:
    write(tmp_path / "files", 12)
    said = _run("import", form, tmp_path / "files", tmp_path / "atlas.db")
    assert ": 12 features with " in said
    assert "is in order" in _run("check", tmp_path / "atlas.db")
    assert re.search(r": 12( of [\d,]+)? features", _run("info", tmp_path / "atlas.db"))


def test_a_dictionary_is_called_as_asked(tmp_path: Path, files: Path) -> None:
    _run("import", "saedashboard", files, tmp_path / "a.db", "--name", "my-gpt/layer-8")
    said = _run("info", tmp_path / "a.db")
    assert "my-gpt/layer-8: 3 features, imported" in said
    assert "SAEDashboard files gpt2: gpt2-small, 8-res-jb" in said
    for name in ("gpt", "GPT/x", "a/b/c", "gpt/random", "/", "gpt/a-", f"gpt/{'a' * 81}"):
        with pytest.raises(AtlasError, match="write MODEL/SAE in small letters"):
            _run("import", "saedashboard", files, tmp_path / "a.db", "--name", name)


def test_several_dictionaries_are_called_as_asked(tmp_path: Path) -> None:
    for layer in ("3", "8"):
        write_neuronpedia(tmp_path / "files" / layer, 2)
    atlas = tmp_path / "a.db"
    with pytest.raises(AtlasError, match=r"holds 2 dictionaries \(.*\), not 1: give --name once"):
        _run("import", "neuronpedia", tmp_path / "files", atlas, "--name", "gpt2/three")
    with pytest.raises(AtlasError, match="holds gpt2-small/6-res-invented twice: give each"):
        _run("import", "neuronpedia", tmp_path / "files", atlas)
    names = ("--no-labels", "--name", "gpt2/three", "--name", "gpt2/eight")
    said = _run("import", "neuronpedia", tmp_path / "files", atlas, *names)
    assert "gpt2/eight: 2 features" in said and "gpt2/three: 2 features" in said


def test_a_tokenizer_gives_true_ids(tmp_path: Path, files: Path) -> None:
    _run("import", "saedashboard", files, tmp_path / "a.db", "--tokenizer", FOLDER / "model")
    own = json.loads((FOLDER / "model" / "tokenizer.json").read_text())["model"]["vocab"]
    atlas = open_atlas(tmp_path / "a.db")
    with atlas.connect() as connection:
        (sae,) = list_saes(connection)
        words = get_tokens(connection, sae.model_id, [own["def"], own["Ġself"]])
        assert [words[own[piece]].token for piece in ("def", "Ġself")] == ["def", " self"]
    atlas.close()
    with pytest.raises(AtlasError, match="leave out --tokenizer"):
        _run(
            "import", "saedashboard", files, tmp_path / "a.db", "--replace",
            "--tokenizer", FOLDER / "model",
        )  # fmt: skip


def test_explanations_become_labels_once(tmp_path: Path) -> None:
    write_neuronpedia(tmp_path / "files", 5)
    words = ("import", "neuronpedia", tmp_path / "files", tmp_path / "a.db")
    assert "5 explanations as labels" in _run(*words)
    assert "0 new, 0 newer than here, 5 as here" in _run(*words, "--replace")
    notebook = open_notebook(str(tmp_path / "a.notebook.db"))
    with notebook.connect() as connection:
        labels = [*labels_of_dictionary(connection, "gpt2-small", "6-res-invented")]
    notebook.dispose()
    assert sorted(label.text for label in labels) == [f"number {i}" for i in range(5)]
    assert {label.source for label in labels} == {"Neuronpedia"}
    assert "Labels say" in _page(tmp_path / "a.db", "/-/search?q=number")


def test_labels_are_left_out_when_asked(tmp_path: Path) -> None:
    write_neuronpedia(tmp_path / "files", 2)
    for more in (("--no-labels",), ("--notebook", "off", "--replace")):
        said = _run("import", "neuronpedia", tmp_path / "files", tmp_path / "a.db", *more)
        assert "2 explanations left out" in said
    assert not (tmp_path / "a.notebook.db").exists()


def _page(atlas: Path, address: str) -> str:
    from fastapi.testclient import TestClient

    from app.settings import Settings
    from app.web.factory import create_app

    return TestClient(create_app(Settings(atlas=atlas)), "http://127.0.0.1").get(address).text


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="nowhere: give a folder with batch"):
        _run("import", "saedashboard", tmp_path / "nowhere", tmp_path / "a.db")
    (tmp_path / "a.db").write_text("no atlas")
    files = write_batches(tmp_path / "gpt2", [0])
    with pytest.raises(AtlasError, match="is not an atlas"):
        _run("import", "saedashboard", files, tmp_path / "a.db")
    with pytest.raises(AtlasError, match="gpt2 is no file: give one to write"):
        _run("import", "saedashboard", files, files)
    (tmp_path / "a.db").write_bytes(b"")
    with pytest.raises(AtlasError, match=r"a\.db is an empty file and no atlas"):
        _run("import", "saedashboard", files, tmp_path / "a.db")


def test_what_cannot_be_built_is_named_with_its_line(tmp_path: Path, files: Path) -> None:
    batch = json.loads((files / "batch-0.json").read_text())
    batch["features"].append(batch["features"][0])
    (files / "batch-0.json").write_text(json.dumps(batch, indent=0))
    with pytest.raises(
        AtlasError, match=r"batch-0.json, line [\d,]+, feature 0, is feature 0 again"
    ):
        _run("import", "saedashboard", files, tmp_path / "a.db")


def test_a_fault_halfway_leaves_what_stood_there(tmp_path: Path, files: Path) -> None:
    atlas = tmp_path / "a.db"
    _run("import", "saedashboard", files, atlas)
    before = atlas.read_bytes()
    broken = shutil.copytree(files, tmp_path / "other")
    batch = broken / "batch-0.json"
    batch.write_text(batch.read_text()[:-50])
    with pytest.raises(AtlasError, match=r"batch-0\.json, line 1, features, item"):
        _run("import", "saedashboard", broken, atlas, "--name", "gpt2-small/other")
    assert atlas.read_bytes() == before
    assert not [*tmp_path.glob("*.partial")]


def _started(folder: Path) -> subprocess.Popen[bytes]:
    """An import on its way to `a.db`, with texts written and more to come."""
    write_saedashboard(folder / "files", 400)
    (folder / "temporary").mkdir()
    atlas = folder / "a.db"
    process = subprocess.Popen(
        [sys.executable, "-c", "from app.cli import main; main()",
         "import", "saedashboard", str(folder / "files"), str(atlas)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "temporary")},
    )  # fmt: skip
    partial = atlas.with_name("a.db.partial")
    deadline = time.monotonic() + 60
    try:
        while not (partial.exists() and partial.stat().st_size > 100_000):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    except AssertionError:
        process.kill()
        raise
    return process


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_stopped_halfway_it_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    process = _started(tmp_path)
    process.send_signal(sent)
    assert process.wait(20) == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "temporary"]
    assert not [*(tmp_path / "temporary").iterdir()]


def test_killed_halfway_it_leaves_no_atlas(tmp_path: Path) -> None:
    process, atlas = _started(tmp_path), tmp_path / "a.db"
    partial = atlas.with_name("a.db.partial")
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert not atlas.exists()
    _run("import", "saedashboard", write_batches(tmp_path / "few", [0]), atlas)
    assert atlas.exists() and not partial.exists()
