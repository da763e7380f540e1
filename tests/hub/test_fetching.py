"""Getting folders from a hub: what comes, what doesn't, what is said when it can't be had."""

import errno
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import AtlasError
from app.hub import client
from app.hub.fetching import fetch_dictionary, fetch_model
from app.hub.finding import at_hand, find_dictionary, find_model
from app.sae.readers import load_dictionary
from tests.hub.conftest import Said
from tests.hub.stand_in import StandIn

LARGE = bytes(range(256)) * 120_000
"""30.7 MB: three reads of the client's, so that a cut leaves something behind."""

FILES = {
    "README.md": b"words",
    "layer_3/cfg.json": b"{}",
    "layer_3/sae_weights.safetensors": b"w" * 2_500,
    "layer_3/sparsity.safetensors": b"s",
    "layer_3/evil.py": b"raise SystemExit",
    "layer_4/cfg.json": b"{}",
    "layer_4/sae_weights.safetensors": b"v",
    "many/0.pt": b"0",
    "many/1.pt": b"1",
    "many/config.json": b"{}",
    "scope/hyperparams.json": b"{}",
    "scope/checkpoints/final.safetensors": b"f",
    "scope/checkpoints/step.safetensors": b"g",
}


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_read_is_fetched(hub: StandIn, said: Said) -> None:
    commit = hub.add("lab/saes", FILES)
    found = fetch_dictionary("hf://lab/saes/layer_3", said)
    assert found.named == "hf://lab/saes/layer_3"
    assert found.commit == commit
    assert names(found.path) == {"cfg.json", "sae_weights.safetensors"}
    assert (found.path / "sae_weights.safetensors").read_bytes() == b"w" * 2_500
    # What describes the weights comes before them: where they are, it is.
    assert list(hub.fetched()) == ["layer_3/cfg.json", "layer_3/sae_weights.safetensors"]
    assert said.stages == [("fetching hf://lab/saes/layer_3", 3, "kB")]
    assert said.done == [3]
    assert said.lines == [f"hf://lab/saes/layer_3: commit {commit[:12]}."]


def test_weights_one_folder_below(hub: StandIn, said: Said) -> None:
    hub.add("lab/saes", FILES)
    found = fetch_dictionary("hf://lab/saes/scope", said)
    assert names(found.path) == {"hyperparams.json", "checkpoints/final.safetensors"}


def test_a_file_can_be_named(hub: StandIn, said: Said) -> None:
    hub.add("lab/saes", FILES)
    found = fetch_dictionary("hf://lab/saes/many/1.pt", said)
    assert found.path.read_bytes() == b"1"
    assert names(found.path.parent) == {"1.pt", "config.json"}
    with pytest.raises(AtlasError, match=r"several files of weights \(0\.pt, 1\.pt\)"):
        fetch_dictionary("hf://lab/saes/many", said)


def test_one_of_several_in_a_file(hub: StandIn, said: Said) -> None:
    hub.add("lab/saes", FILES)
    found = fetch_dictionary("hf://lab/saes/many/1.pt#2", said)
    assert found.path.name == "1.pt#2"
    assert found.path.with_name("1.pt").read_bytes() == b"1"
    assert at_hand(find_dictionary, "hf://lab/saes/many/1.pt#2", Path()) == found.path


def test_the_settings_of_a_run_lie_above_its_dictionaries(hub: StandIn, said: Said) -> None:
    files = {"run/config.json": b"{}", "run/layers.3/sae.safetensors": b"s", "config.json": b"[]"}
    hub.add("lab/run", files | {"run/layers.3/cfg.json": b"{}", "run/layers.4/cfg.json": b"{}"})
    found = fetch_dictionary("hf://lab/run/run/layers.3", said)
    assert names(found.path.parent.parent) == {
        *("config.json", "run/config.json"),
        *("run/layers.3/cfg.json", "run/layers.3/sae.safetensors"),
    }


def test_readers_see_the_names_of_the_repository_and_its_folders(
    hub: StandIn, said: Said, tmp_path: Path
) -> None:
    """Gemma Scope has no config: the site and the layer are what its folders are called."""
    shapes = {"W_enc": (4, 6), "b_enc": 6, "W_dec": (6, 4), "b_dec": 4, "threshold": 6}
    arrays: dict[str, Any] = {k: np.ones(shape, np.float32) for k, shape in shapes.items()}
    np.savez(tmp_path / "params.npz", **arrays)
    folder = "layer_20/width_16k/average_l0_71"
    content = (tmp_path / "params.npz").read_bytes()
    hub.add("google/gemma-scope-2b-pt-res", {f"{folder}/params.npz": content})
    found = fetch_dictionary(f"hf://google/gemma-scope-2b-pt-res/{folder}", said)
    config = load_dictionary(found.path).config
    assert (config.hook_name, config.format) == ("blocks.20.hook_resid_post", "gemma_scope")
    assert config.model_name == "google/gemma-2-2b"


def test_a_whole_repository(hub: StandIn, said: Said) -> None:
    hub.add("lab/one", {"ae.pt": b"a", "README.md": b"r"})
    assert names(fetch_dictionary("hf://lab/one", said).path) == {"ae.pt"}


def test_a_model_by_its_name(hub: StandIn, said: Said) -> None:
    files = {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "model.safetensors": b"m",
        "pytorch_model.bin": b"p",
        "modeling.py": b"raise SystemExit",
        "onnx/model.onnx": b"o",
    }
    commit = hub.add("lab/model", files)
    found = fetch_model("lab/model", said)
    assert names(found.path) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert found.commit == commit
    assert fetch_model("hf://lab/model@main", said).path == found.path
    hub.add("old-model", files)
    assert names(fetch_model("old-model", said).path) == names(found.path)


def test_local_paths_ask_nobody(hub: StandIn, said: Said, tmp_path: Path) -> None:
    assert fetch_dictionary(str(tmp_path / "sae"), said).path == tmp_path / "sae"
    assert fetch_model(str(tmp_path), said).path == tmp_path
    with pytest.raises(AtlasError, match="does not exist"):
        fetch_model(str(tmp_path / "nothing"), said)
    assert hub.asked == []


def test_revisions(hub: StandIn, said: Said) -> None:
    old = hub.add("lab/saes", {"a/ae.pt": b"old"}, "v1")
    new = hub.add("lab/saes", {"a/ae.pt": b"new"})
    for revision, commit, content in (
        ("@v1", old, b"old"),
        ("", new, b"new"),
        (f"@{old}", old, b"old"),
    ):
        found = fetch_dictionary(f"hf://lab/saes{revision}/a", said)
        assert found.commit == commit
        assert (found.path / "ae.pt").read_bytes() == content


def test_a_branch_that_moved_leads_to_the_new_commit(hub: StandIn, said: Said) -> None:
    old = hub.add("lab/saes", {"a/ae.pt": b"old"})
    assert fetch_dictionary("hf://lab/saes/a", said).commit == old
    new = hub.add("lab/saes", {"a/ae.pt": b"new"})
    found = fetch_dictionary("hf://lab/saes/a", said)
    assert found.commit == new
    assert (found.path / "ae.pt").read_bytes() == b"new"
    # What was made from the old one finds it still.
    assert (find_dictionary("hf://lab/saes/a", old).path / "ae.pt").read_bytes() == b"old"


def test_what_is_there_is_not_fetched_again(hub: StandIn, said: Said) -> None:
    commit = hub.add("lab/saes", FILES)
    fetch_dictionary("hf://lab/saes/layer_3", said)
    hub.asked.clear()
    fetch_dictionary("hf://lab/saes/layer_3", said)
    assert hub.fetched() == {}
    hub.asked.clear()
    fetch_dictionary(f"hf://lab/saes@{commit}/layer_3", said)
    assert hub.asked == []  # a commit never changes: nobody is asked at all


def test_a_cut_connection_is_taken_up_where_it_was(
    hub: StandIn, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # before it tries again
    hub.add("lab/saes", {"ae.pt": LARGE})
    hub.cut["ae.pt"] = 25_000_000
    found = fetch_dictionary("hf://lab/saes", said)
    assert (found.path / "ae.pt").read_bytes() == LARGE
    ranges = [asked for method, path, asked in hub.asked if method == "GET" and "ae.pt" in path]
    assert len(ranges) == 2
    assert int(ranges[1].removeprefix("bytes=").partition("-")[0]) > 0
    assert said.done == [said.stages[0][1]] == [30_720]


def test_whole_files_survive_a_download_that_broke_off(
    hub: StandIn, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("lab/saes", FILES)
    ordinary = client.download

    def stops(address: object, file: str, advance: Callable[[int], None]) -> None:
        if file.endswith(".safetensors"):
            raise KeyboardInterrupt
        ordinary(address, file, advance)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(client, "download", stops)
        with pytest.raises(KeyboardInterrupt):
            fetch_dictionary("hf://lab/saes/layer_3", said)
    with pytest.raises(AtlasError, match="or not whole"):
        find_dictionary("hf://lab/saes/layer_3")
    fetch_dictionary("hf://lab/saes/layer_3", said)
    assert hub.fetched()["layer_3/cfg.json"] == 1


def test_offline_with_a_filled_cache(
    hub: StandIn, said: Said, go_offline: Callable[[], None]
) -> None:
    hub.add("lab/saes", FILES)
    hub.add("lab/model", {"config.json": b"{}", "model.safetensors": b"m"})
    sae, model = fetch_dictionary("hf://lab/saes/layer_3", said), fetch_model("lab/model", said)
    hub.asked.clear()
    go_offline()
    assert fetch_dictionary("hf://lab/saes/layer_3", said) == sae
    assert fetch_model("lab/model", said) == model
    assert hub.asked == []
    with pytest.raises(AtlasError, match="without HF_HUB_OFFLINE, or give a local folder"):
        fetch_dictionary("hf://lab/saes/layer_4", said)


def test_offline_with_an_empty_cache(
    hub: StandIn, said: Said, go_offline: Callable[[], None], cache: Path
) -> None:
    hub.add("lab/saes", FILES)
    go_offline()
    with pytest.raises(AtlasError) as refused:
        fetch_dictionary("hf://lab/saes/layer_3", said)
    assert str(refused.value) == (
        "The dictionary hf://lab/saes/layer_3 is not in this machine's cache of the hub, or not "
        f"whole ({cache}): name it once on the command line with a connection and without "
        "HF_HUB_OFFLINE, or give a local folder."
    )
    with pytest.raises(AtlasError, match="The model lab/model is not in"):
        fetch_model("lab/model", said)
    assert hub.asked == []


def test_nobody_answers(hub: StandIn, said: Said, go_down: Callable[[], None]) -> None:
    commit = hub.add("lab/saes", FILES)
    fetch_dictionary("hf://lab/saes/layer_3", said)
    go_down()
    found = fetch_dictionary("hf://lab/saes/layer_3", said)
    assert found.commit == commit
    assert said.lines[-2:] == [
        "The hub can't be reached: hf://lab/saes/layer_3 is taken from the cache.",
        f"hf://lab/saes/layer_3: commit {commit[:12]}.",
    ]
    with pytest.raises(AtlasError, match=r"could not be reached for hf://lab/saes@\w+/layer_4 \("):
        fetch_dictionary("hf://lab/saes/layer_4", said)
    with pytest.raises(AtlasError, match="could not be reached for hf://lab/other"):
        fetch_dictionary("hf://lab/other", said)


def test_a_model_in_parts_is_whole_with_all_of_them(hub: StandIn, said: Said) -> None:
    parts = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = '{"weight_map": {"a": "%s", "b": "%s"}}' % tuple(parts)  # noqa: UP031
    files = {"config.json": b"{}", "model.safetensors.index.json": index.encode()}
    hub.add("lab/model", files | {part: b"p" for part in parts})
    found = fetch_model("lab/model", said)
    assert find_model("lab/model").path == found.path
    (found.path / parts[1]).unlink()
    with pytest.raises(AtlasError, match="or not whole"):
        find_model("lab/model")


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("hf://lab/gone/x", "There is no repository lab/gone on the hub, or it is private"),
        ("hf://lab/gated", "lab/gated is gated: accept its terms on its page of the hub, then"),
        ("hf://lab/closed", r"refuses lab/closed to this machine \(403\): sign in with `hf auth"),
        ("hf://lab/busy", "too many requests"),
        ("hf://lab/saes@v9/layer_3", "lab/saes has no revision 'v9': give a branch, a tag or"),
        (
            "hf://lab/saes/layer_9",
            r"has no dictionary or folder 'layer_9': lab/saes holds layer_\d, layer_\d",
        ),
        ("hf://lab/saes/layer_3/x/y", "folder 'layer_3/x/y': lab/saes/layer_3 holds no folders"),
        ("hf://lab/saes/layer_3/evil.py", "folder 'layer_3/evil.py': lab/saes/layer_3 holds no"),
        (
            "hf://lab/saes",
            r"holds no dictionary \(it needs .*\), but the folders layer_3, layer_4, many, scope",
        ),
        ("hf://lab/words", "holds no dictionary .* but README.md"),
    ],
)  # fmt: skip
def test_what_is_not_to_be_had_is_one_sentence(
    hub: StandIn, said: Said, named: str, sentence: str
) -> None:
    hub.add("lab/saes", FILES)
    hub.add("lab/gated", FILES)
    hub.add("lab/words", {"README.md": b"r"})
    hub.gated.add("lab/gated")
    hub.refused |= {"lab/closed": 403, "lab/busy": 429}
    with pytest.raises(AtlasError, match=sentence) as refused:
        fetch_dictionary(named, said)
    assert str(refused.value).count(". ") == 0
    assert "\n" not in str(refused.value)


def test_a_full_disk(hub: StandIn, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("lab/saes", FILES)
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1_000))
        with pytest.raises(AtlasError, match=r"needs 0\.00 GB more, and 0\.00 GB are free in"):
            fetch_dictionary("hf://lab/saes/layer_3", said)
    assert hub.fetched() == {}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(client, "download", full)
    with pytest.raises(AtlasError, match=r"The disk of .*cache is full: free some of it, or set"):
        fetch_dictionary("hf://lab/saes/layer_3", said)


def test_a_listing_that_leads_out_is_refused(
    hub: StandIn, said: Said, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("lab/saes", FILES)
    listing = client.Listing({"..\\..\\cfg.json": 1, "ae.pt": 1})
    monkeypatch.setattr(client, "list_folder", lambda _: listing)
    fetched: list[str] = []
    monkeypatch.setattr(client, "download", lambda _, file, __: fetched.append(file))
    with pytest.raises(AtlasError, match=r"lists .*, which is no path in it"):
        fetch_dictionary("hf://lab/saes/layer_3", said)
    assert fetched == []


def test_what_a_recipe_names_is_looked_for_here_only(
    hub: StandIn, said: Said, tmp_path: Path
) -> None:
    old = hub.add("lab/saes", {"a/ae.pt": b"old"})
    assert at_hand(find_dictionary, "hf://lab/saes/a", tmp_path, old) is None
    assert hub.asked == []
    path = fetch_dictionary("hf://lab/saes/a", said).path
    assert at_hand(find_dictionary, "hf://lab/saes/a", tmp_path, old) == path
    (tmp_path / "beside").mkdir()
    assert at_hand(find_dictionary, "beside", tmp_path) == tmp_path / "beside"
    assert at_hand(find_dictionary, "nowhere", tmp_path) is None
    assert at_hand(find_model, "", tmp_path) is None
