"""Archives that unpack to more than their files: refused before anything is unpacked."""

import io
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import AtlasError
from app.sae.readers import archives, load_dictionary
from tests.sae.readers.conftest import STATE

SHAPES = {"W_enc": (3, 4), "b_enc": (4,), "W_dec": (4, 3), "b_dec": (3,), "threshold": (4,)}


def compressed(file: Path) -> Path:
    """What torch.save writes, its members compressed."""
    stored = io.BytesIO()
    torch.save(STATE, stored)
    with (
        zipfile.ZipFile(stored) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename.replace("archive", file.stem), source.read(entry))
    return file


@pytest.mark.parametrize("name", ["ae.pt", "learned_dicts.pt", "8.pt"])
def test_a_torch_file_with_compressed_members_is_not_unpacked(tmp_path: Path, name: str) -> None:
    file = compressed(tmp_path / name)
    for reader in ("dictionary_learning", "openai", "sparse_coding"):
        with pytest.raises(AtlasError, match=r"holds compressed members \('.*data.pkl'\), which "):
            load_dictionary(file, sae_format=reader)


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Many names for the same bytes: stored, and yet larger together than the file."""
    file = tmp_path / "ae.pt"
    torch.save(STATE | {"encoder.weight": torch.ones(400, 300)}, file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.filelist.append(archive.getinfo("ae/data/0"))
        archive.comment = b"so that the directory is written again"
    with pytest.raises(AtlasError, match="larger together than the file"):
        load_dictionary(file)


def swollen(folder: Path, n_bytes: int) -> Path:
    """A Gemma Scope archive, compressed, whose b_enc is so many bytes of zeros."""
    arrays = {name: np.ones(shape, np.float32) for name, shape in SHAPES.items()}
    file = folder / "params.npz"
    np.savez_compressed(file, allow_pickle=False, **arrays | {"b_enc": np.zeros(n_bytes, np.uint8)})
    return file


def test_an_archive_of_zeros_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(
        AtlasError, match=r"would unpack from [\d,]+ to 2\d\d,\d{3},\d{3} bytes, which"
    ):
        load_dictionary(swollen(tmp_path, archives.ROOM + 1))


def test_a_compressed_archive_of_weights_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large it says it is: random numbers hardly shrink."""
    monkeypatch.setattr(archives, "ROOM", 0)
    noise = np.random.default_rng(0).normal
    arrays = {name: noise(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    np.savez_compressed(tmp_path / "params.npz", allow_pickle=False, **arrays)
    np.testing.assert_array_equal(load_dictionary(tmp_path).W_enc.numpy(), arrays["W_enc"])


def test_a_header_of_more_numbers_than_memory_is_said_to_be_that(tmp_path: Path) -> None:
    member = io.BytesIO()
    shape = (2**30, 2**20)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, header)
    with zipfile.ZipFile(tmp_path / "params.npz", "w") as archive:
        archive.writestr("W_enc.npy", member.getvalue())
    with pytest.raises(
        AtlasError, match=r"params\.npz needs more memory than this machine has left"
    ):
        load_dictionary(tmp_path)


@pytest.mark.parametrize("name", ["ae.pt", "8.pt", "learned_dicts.pt"])
def test_a_length_that_nothing_stands_behind(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\x80\x04\x8d" + (2**50).to_bytes(8, "little"))
    with pytest.raises(AtlasError, match=r"is damaged or|no known dictionary|more memory"):
        load_dictionary(file)


def test_torch_remarks_on_a_plain_pickle_stay_unsaid(tmp_path: Path) -> None:
    (tmp_path / "ae.pt").write_bytes(pickle.dumps(STATE))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(AtlasError, match="is damaged or holds Python objects"):
            load_dictionary(tmp_path)
    assert not said
