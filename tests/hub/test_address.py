"""What names something on the hub, and what is refused before anything is asked."""

from pathlib import Path

import pytest

from app.errors import AtlasError
from app.hub.address import HubAddress, dictionary_address, model_address, parse_address

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("named", "parts"),
    [
        ("hf://a/b", ("a/b", None, "")),
        ("hf://a/b/", ("a/b", None, "")),
        ("hf://a-1/b.2_c/layer_3/width 16k", ("a-1/b.2_c", None, "layer_3/width 16k")),
        ("hf://a/b@v1.0/x/y.pt", ("a/b", "v1.0", "x/y.pt")),
        ("hf://a/b@refs/pr/7/x", ("a/b", "refs/pr/7", "x")),
        ("hf://models/a/b/x", ("a/b", None, "x")),
        ("hf://a/b/group_gpt2:v0", ("a/b", None, "group_gpt2:v0")),
    ],
)  # fmt: skip
def test_parts(named: str, parts: tuple[str, str | None, str]) -> None:
    address = parse_address(named)
    assert (address.repo, address.revision, address.folder) == parts


def test_an_address_is_written_as_it_is_read() -> None:
    for text in ("hf://a/b", "hf://a/b/c/d", f"hf://a/b@{COMMIT}/c", "hf://a/b@main"):
        assert str(parse_address(text)) == text


def test_one_of_several_in_a_file() -> None:
    address = parse_address("hf://a/b/x/learned_dicts.pt#3")
    assert (address.folder, address.number) == ("x/learned_dicts.pt", "#3")
    assert str(address.at(COMMIT)) == f"hf://a/b@{COMMIT}/x/learned_dicts.pt#3"
    assert address.stem == "learned_dicts.pt#3"


def test_a_commit_is_whole() -> None:
    assert parse_address(f"hf://a/b@{COMMIT}").commit == COMMIT
    assert parse_address(f"hf://a/b@{COMMIT[:12]}").commit is None
    assert parse_address("hf://a/b").at(COMMIT).commit == COMMIT


def test_the_stem_is_the_last_part() -> None:
    assert parse_address("hf://a/b@main/c/d").stem == "d"
    assert parse_address("hf://a/b@main").stem == "b"


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("hf://", "no address on the hub"),
        ("hf://a", "no address on the hub"),
        ("hf:///b/c", "no address on the hub"),
        ("hf://../../etc", "no address on the hub"),
        ("hf://a/..", "no address on the hub"),
        ("hf://a/b--c", "no address on the hub"),
        ("hf://-a/b", "no address on the hub"),
        ("hf://a/b@../x", "revision"),
        ("hf://a/b@..", "revision"),
        ("hf://a/b@.x/y", "revision"),
        ("hf://a/b/../c", "no path inside"),
        ("hf://a/b/c/./d", "no path inside"),
        ("hf://a/b//c", "no path inside"),
        ("hf://a/b/c\\..\\d", "no path inside"),
        ("hf://a/b/C:/d", "no path inside"),
        ("hf://a/b/c/D:/e", "no path inside"),
        ("hf://a/b/c\x00d", "no path inside"),
        ("hf://datasets/a/b", "no repository of models"),
        ("hf://spaces/a/b", "no repository of models"),
    ],
)
def test_what_could_lead_out_is_refused(named: str, says: str) -> None:
    with pytest.raises(AtlasError, match=says):
        dictionary_address(named)
    with pytest.raises(AtlasError, match=says):
        model_address(named)


def test_plain_names_are_models_unless_they_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_address("gpt2") == HubAddress("gpt2")
    assert model_address("EleutherAI/pythia-70m") == HubAddress("EleutherAI/pythia-70m")
    for path in ("./gpt2", "a/b/c", "../b", "/a", "a/..", "a/", "~/gpt2"):
        assert model_address(path) is None
    (tmp_path / "gpt2").mkdir()
    assert model_address("gpt2") is None
    assert dictionary_address("EleutherAI/pythia-70m") is None
