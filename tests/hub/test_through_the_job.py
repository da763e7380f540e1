"""A dictionary and a model that lie on a hub, through the whole job and what comes after it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app import cli
from app.check.whole import Asked, check_whole
from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.errors import AtlasError
from app.live.loading import Sources, load
from app.settings import Settings
from app.web.factory import create_app
from tests.hub.stand_in import StandIn, files_of

SAE = "hf://lab/saes@v1/layers/3"
FAST = ["--threads", "1", "--batch-contexts", "8", "--ablation-examples", "0", "--no-verify"]
FAST += ["--ablation-interval-examples", "0", "--quality-contexts", "2", "--direction-map", "none"]
FAST += ["--skip", "norms,variants,regions,geometry,matches,connections,pruning,effects,combined"]


@pytest.fixture
def filled(
    hub: StandIn,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    tmp_path: Path,
) -> dict[str, str]:
    """A tiny model and a dictionary on the hub; their commits by what a user calls them."""
    model = files_of(model_folder("neox")) | {"modeling_evil.py": b"raise SystemExit(1)"}
    sae = files_of(write_sae(tmp_path / "written"), "layers/3/")
    return {"lab/tiny": hub.add("lab/tiny", model), SAE: hub.add("lab/saes", sae, "v1")}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["feature-atlas", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_from_the_hub_to_the_pages(
    hub: StandIn,
    filled: dict[str, str],
    text_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    go_down: Callable[[], None],
) -> None:
    atlas = tmp_path / "atlas.db"
    made = ["precompute", "--model", "lab/tiny", "--sae", SAE, "--corpus", text_folder]
    assert run(monkeypatch, *made, "--output", atlas, *FAST) == 0
    told = capfd.readouterr().err
    for named, commit in filled.items():
        assert f"fetching {named}: " in told
        assert f"{named}: commit {commit[:12]}." in told
    assert "modeling_evil.py" not in hub.fetched()

    reader = open_atlas(atlas)
    with reader.connect() as connection:
        (sae,) = list_saes(connection)
    reader.close()
    assert sae.address == "tiny/3"
    assert sae.record.recipe["model"] == "lab/tiny"
    assert sae.record.recipe["sae"] == [SAE]
    assert sae.record.recipe["commits"] == filled
    assert f"--sae {SAE}" in sae.record.recipe["command"]
    page = TestClient(create_app(Settings(atlas=atlas)), base_url="http://127.0.0.1").get("/tiny/3")
    assert SAE in page.text
    assert filled[SAE] in page.text

    # From here on nobody answers: everything that the recipe names is found in the cache.
    go_down()
    hub.asked.clear()
    *_, remeasured = check_whole(atlas, Asked(4, 0))
    assert remeasured.skipped == ""
    assert list(remeasured.problems) == []
    assert list(load(Sources(atlas, device="cpu")).saes) == ["tiny/3"]
    assert hub.asked == []
    # Named on the command line it is asked for, and the cache will do.
    assert run(monkeypatch, "check", atlas, "--model", "lab/tiny", "--sae", SAE, "--sample", 2) == 0
    assert f"The hub can't be reached: {SAE} is taken from the cache." in capfd.readouterr().err


def test_a_dictionary_of_the_hub_is_inspected(
    filled: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["feature-atlas", "inspect", SAE, "--model", "lab/tiny"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capfd.readouterr()
    assert not ended.value.code, printed.err
    assert "blocks.0.hook_resid_post" in printed.out
    assert "explained variance" in printed.out


def test_what_only_a_recipe_names_is_not_downloaded(
    hub: StandIn,
    filled: dict[str, str],
    text_folder: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    atlas = tmp_path / "atlas.db"
    made = ["precompute", "--model", "lab/tiny", "--sae", SAE, "--corpus", text_folder]
    assert run(monkeypatch, *made, "--output", atlas, *FAST) == 0
    cache.rename(tmp_path / "moved")
    hub.asked.clear()
    with pytest.raises(AtlasError, match=r"No dictionary of the atlas is at hand .*with\s--sae"):
        load(Sources(atlas, device="cpu"))
    *_, remeasured = check_whole(atlas, Asked(4, 0))
    assert remeasured.skipped == "no model at hand, give --model and --sae"
    assert hub.asked == []


def test_the_environment_says_where_the_hub_and_its_cache_are(
    hub: StandIn, filled: dict[str, str], text_folder: Path, tmp_path: Path
) -> None:
    """As a user's own process has it: a sentence, exit code 2, nothing begun."""
    command = [sys.executable, "-c", "from app.cli import main; main()", "precompute", *FAST]
    command += ["--model", "lab/tiny", "--sae", "hf://lab/saes@v1/layers/4"]
    command += ["--corpus", str(text_folder), "--output", str(tmp_path / "out" / "atlas.db")]
    (tmp_path / "out").mkdir()
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | own)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: hf://lab/saes@v1/layers/4 has no dictionary or folder 'layers/4': lab/saes/layers "
        "holds layers/3."
    )
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
    assert (tmp_path / "home" / "hub" / "models--lab--tiny").is_dir()
