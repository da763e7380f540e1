"""Seals: any change of a file is seen."""

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.precompute.workplace import durable


def test_what_is_as_it_was_has_no_damage(tmp_path: Path) -> None:
    durable.write(tmp_path / "a" / "b", b"some bytes")
    (tmp_path / "empty").write_bytes(b"")
    seals = durable.seal(tmp_path, [tmp_path / "a" / "b", tmp_path / "empty"])
    assert list(seals) == ["a/b", "empty"]
    assert seals["empty"] == [0, 0]
    assert durable.damage(tmp_path, seals) is None
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b"]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write(path, b"0123456789" * 200)
    seals = durable.seal(tmp_path, [path])
    os.truncate(path, 1_999)
    assert durable.damage(tmp_path, seals) == "file has 1,999 bytes instead of 2,000"
    path.unlink()
    assert durable.damage(tmp_path, seals) == "file can't be read (No such file or directory)"


@given(data=st.binary(min_size=1, max_size=200), bit=st.integers(min_value=0))
def test_every_flipped_bit_is_found(data: bytes, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        seals = durable.seal(Path(folder), [path])
        changed = bytearray(data)
        changed[bit // 8 % len(data)] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert durable.damage(Path(folder), seals) == (
            "file has another checksum than when it was written"
        )


def test_a_file_written_again_stands_in_place_of_the_older_one(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        durable.write(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == b"second"
    assert len(list(tmp_path.iterdir())) == 1
