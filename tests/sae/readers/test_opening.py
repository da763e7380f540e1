"""What is no regular file, or may not be read: one sentence, and nothing is waited for."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors.torch import save_file

from app.errors import AtlasError
from app.sae.readers import READERS, load_dictionary
from tests.sae.readers.conftest import STATE


def saelens(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps({"d_in": 3, "d_sae": 4, "metadata": {}}))
    shapes = {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,)}
    tensors = {name: torch.ones(shape) for name, shape in shapes.items()}
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder


@pytest.mark.parametrize("name", ["ae.pt", "8.pt", "params.npz", "params.safetensors", "cfg.json"])
def test_a_pipe_is_never_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for reader in (None, *(reader.name for reader in READERS)):
        with pytest.raises(AtlasError, match="a pipe, a socket or a device"):
            load_dictionary(tmp_path / name, sae_format=reader)
    with pytest.raises(AtlasError, match=rf"found {name} \(a pipe, a socket or a device\)"):
        load_dictionary(tmp_path)


def test_a_pipe_beside_weights_is_refused(tmp_path: Path) -> None:
    config = saelens(tmp_path / "a") / "cfg.json"
    config.unlink()
    os.mkfifo(config)
    with pytest.raises(AtlasError, match=r"cfg\.json is a pipe, .* expected a regular file"):
        load_dictionary(tmp_path / "a")
    (tmp_path / "b").mkdir()
    torch.save(STATE, tmp_path / "b" / "ae.pt")
    os.mkfifo(tmp_path / "b" / "config.json")
    with pytest.raises(AtlasError, match=r"config\.json is a pipe, .* expected a regular file"):
        load_dictionary(tmp_path / "b")


@pytest.mark.parametrize("name", ["zero", "ae.pt"])
def test_a_device_is_never_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(AtlasError, match="is a pipe, a socket or a device, expected a regular"):
        load_dictionary(tmp_path / name)
    with pytest.raises(AtlasError, match=rf"found {name} \(a pipe, a socket or a device\)"):
        load_dictionary(tmp_path)


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "real")
    (tmp_path / "ae.pt").symlink_to(tmp_path / "real")
    assert load_dictionary(tmp_path).config.d_sae == 4


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are closed to others."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Whom permissions bind, where they don't bind who runs the tests."""
    b"{}".decode("utf-8-sig")  # a codec is found in Python's own files
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.mark.parametrize(
    ("closed", "named"),
    [
        ("saelens", "saelens"),
        ("saelens/cfg.json", "saelens"),
        ("saelens/sae_weights.safetensors", "saelens"),
        ("library/ae.pt", "library"),
        ("library/config.json", "library"),
        ("library/ae.pt", "library/ae.pt"),
        ("library", "library/ae.pt"),
        ("gemma/params.npz", "gemma"),
    ],
)
def test_what_may_not_be_read_is_not_called_damaged(shared: Path, closed: str, named: str) -> None:
    saelens(shared / "saelens")
    for name in ("library", "gemma"):
        (shared / name).mkdir()
    torch.save(STATE, shared / "library" / "ae.pt")
    (shared / "library" / "config.json").write_text("{}")
    (shared / "gemma" / "params.npz").write_bytes(b"")
    (shared / closed).chmod(0)
    with as_nobody(), pytest.raises(AtlasError, match="may not be read by this user") as caught:
        load_dictionary(shared / named)
    (shared / closed).chmod(0o755)
    assert str(caught.value).startswith(str(shared / closed))


def test_closed_folders_below_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "closed"):
        saelens(tmp_path / name)
    seen = Path.is_file

    def is_file(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return seen(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    with pytest.raises(AtlasError, match=r"2 dictionaries: .*; may not be read: closed; name one"):
        load_dictionary(tmp_path)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"can't be read \(File name too long\): give another"):
        load_dictionary(tmp_path / ("a" * 5000))
    index = {"weight_map": {"W_enc": "a" * 5000}}
    (tmp_path / "sae_weights.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "cfg.json").write_text(json.dumps({"metadata": {}}))
    with pytest.raises(AtlasError, match=r"names 'a{59}…', and no file can be called so"):
        load_dictionary(tmp_path)


def test_a_config_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    config = saelens(tmp_path) / "cfg.json"
    config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
    assert load_dictionary(tmp_path).config.d_sae == 4
