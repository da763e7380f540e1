"""Seals: any change of a file is seen."""

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app import durable
from app.precompute.workplace import seals


def test_what_is_as_it_was_has_no_damage(tmp_path: Path) -> None:
    durable.write(tmp_path / "a" / "b", b"some bytes")
    (tmp_path / "empty").write_bytes(b"")
    sealed = seals.seal(tmp_path, [tmp_path / "a" / "b", tmp_path / "empty"])
    assert list(sealed) == ["a/b", "empty"]
    assert sealed["empty"] == [0, 0]
    assert seals.damage(tmp_path, sealed) is None
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b"]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write(path, b"0123456789" * 200)
    sealed = seals.seal(tmp_path, [path])
    os.truncate(path, 1_999)
    assert seals.damage(tmp_path, sealed) == "file has 1,999 bytes instead of 2,000"
    path.unlink()
    assert seals.damage(tmp_path, sealed) == "file can't be read (No such file or directory)"


@settings(deadline=None)
@given(data=st.binary(min_size=1, max_size=200), bit=st.integers(min_value=0))
def test_every_flipped_bit_is_found(data: bytes, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        sealed = seals.seal(Path(folder), [path])
        changed = bytearray(data)
        changed[bit // 8 % len(data)] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert seals.damage(Path(folder), sealed) == (
            "file has another checksum than when it was written"
        )
