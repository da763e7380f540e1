"""Numpy's files: what is read, what is refused, and many threads at once."""

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app import npy


@pytest.fixture
def busy() -> Iterator[None]:
    """Garbage is collected all the time, and other threads run meanwhile."""

    def give_way(*_: object) -> None:
        time.sleep(1e-5)

    before = gc.get_threshold()
    gc.callbacks.append(give_way)
    gc.set_threshold(10)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(give_way)


def test_an_array_is_mapped_as_it_was_saved(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    np.save(tmp_path / "a.npy", array)
    mapped = npy.mapped(tmp_path / "a.npy")
    assert type(mapped) is np.ndarray and mapped.dtype == np.uint16
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, array)


def test_an_archive_holds_all_its_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.float32(2))
    arrays = npy.archive(tmp_path / "a.npz")
    assert sorted(arrays) == ["x", "y"]
    np.testing.assert_array_equal(arrays["x"], [0, 1, 2])
    assert arrays["y"] == 2
    assert list(npy.archive(tmp_path / "a.npz", "x")) == ["x"]
    with pytest.raises(KeyError, match="z"):
        npy.archive(tmp_path / "a.npz", "z")


def test_a_damaged_file_is_an_error_of_two_kinds(tmp_path: Path) -> None:
    """Whichever byte of a header is another, and wherever the file ends in it."""
    np.save(tmp_path / "a.npy", np.arange(12, dtype=np.int32).reshape(3, 4))
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    np.savez_compressed(tmp_path / "b.npz", x=np.arange(3))
    damaged, n_refused = tmp_path / "damaged", 0
    for name in ("a.npy", "a.npz", "b.npz"):
        whole = (tmp_path / name).read_bytes()
        for place in range(min(len(whole), 128)):
            for end in (b"\xff" + whole[place + 1 :], b"(" + whole[place + 1 :], b""):
                damaged.write_bytes(whole[:place] + end)
                for read in (npy.mapped, npy.archive):
                    try:
                        read(damaged)
                    except (OSError, ValueError):
                        n_refused += 1
    assert n_refused > 1000


def test_a_header_that_is_nested_too_deep(tmp_path: Path) -> None:
    header = b"-" * 3000 + b"1"
    header = header.ljust(3062) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="it is damaged"):
        npy.mapped(tmp_path / "a.npy")


def test_what_is_no_array_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    np.save(tmp_path / "a.npy", np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "empty.npy").touch()
    with pytest.raises(ValueError, match="it is an archive of arrays"):
        npy.mapped(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="it is one array"):
        npy.archive(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="object"):
        npy.mapped(tmp_path / "objects.npy")
    with pytest.raises(ValueError, match="expected 8 bytes got 0"):
        npy.mapped(tmp_path / "empty.npy")
    with pytest.raises(OSError, match="absent"):
        npy.mapped(tmp_path / "absent.npy")


@pytest.mark.usefixtures("busy")
def test_threads_read_headers_at_once(tmp_path: Path) -> None:
    """Unguarded, CPython 3.11 ends in "AST constructor recursion depth mismatch"."""
    np.save(tmp_path / "a.npy", np.zeros((2, 3)))
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)))

    def read(_: int) -> bool:
        array = npy.archive(tmp_path / "a.npz")["x"]
        return array.shape == npy.mapped(tmp_path / "a.npy").shape == (2, 3)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(read, range(1500)))
